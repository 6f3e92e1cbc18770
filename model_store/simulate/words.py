import numpy as np

_TEXT = """
acorn amber anchor apricot arbor aspen atlas aurora autumn badger bamboo basil bay beacon birch bison bloom boulder
breeze brook canyon cedar cello chalk cinder citrus clover cobalt comet copper coral cove crane cricket cypress
dahlia dawn delta dune eagle echo elm ember falcon fern finch fjord flint fox garnet ginger glacier granite grove
gull harbor hazel heron hickory indigo iris island ivory ivy jade jasper juniper kelp kestrel lagoon larch lark
laurel lilac linden lotus lynx magnet mango maple marble marsh meadow mesa mint moss nectar nimbus oak ocean olive
onyx opal orchid otter panda pearl pebble pepper petal pine plum poppy prairie quail quartz raven reef ridge river
robin rowan ruby saffron sage sand sequoia shore sierra slate sparrow spruce stone summit sun swan tango teal
thistle thunder tide topaz tulip tundra umber valley velvet violet walnut wave willow wren yarrow zephyr zinnia
"""
_WORDS = tuple(_TEXT.split())


def draw_names(rng: np.random.Generator, count: int) -> list[str]:
    """Distinct neutral names that say nothing about what bears them."""
    if count <= len(_WORDS):
        return [_WORDS[i] for i in rng.permutation(len(_WORDS))[:count]]
    pairs = rng.permutation(len(_WORDS) ** 2)[:count]
    return [f"{_WORDS[i // len(_WORDS)]}-{_WORDS[i % len(_WORDS)]}" for i in pairs]
