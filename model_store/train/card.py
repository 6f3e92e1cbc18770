"""The model card that an export writes where no better one is given: what the manifest says, to be read."""

from collections.abc import Mapping

from service.llm.manifest import Manifest, Scores


def card(manifest: Manifest, config: Mapping[str, object]) -> str:
    """Markdown with the header that model hubs read."""
    return "\n".join(
        (
            "---",
            f"license: {manifest.licence.lower()}",
            "pipeline_tag: text-generation",
            "tags: [root-cause-analysis, aiops]",
            "---",
            "",
            f"# {manifest.title}",
            "",
            "Localizes the root cause of an incident in a distributed system, one move a turn, in the loop of",
            "hypocenter. It reads evidence rows in aliases and writes nothing but calls of the loop's tools.",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {value} |" for name, value in _facts(manifest, config)),
            "",
            *_scores(manifest.scores),
        )
    )


def _facts(manifest: Manifest, config: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    size = (
        f"{config['num_hidden_layers']} layers of {config['hidden_size']}, {config['num_attention_heads']} heads, "
        f"{config['vocab_size']} words, context {config['max_position_embeddings']}"
    )
    seeds = ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())
    return (
        ("architecture", f"{config['model_type']}, {size}"),
        ("trained from scratch with", f"recipe {manifest.recipe}; seeds: {seeds or 'none told'}"),
        ("made for", f"prompt {manifest.prompt_id} of rendering {manifest.rendering}, tools {manifest.tools_id}"),
        ("sha256 of the weights", manifest.identity.sha256),
    )


def _scores(scores: Scores) -> list[str]:
    if not scores:
        return ["It was not measured."]
    columns = list(dict.fromkeys(name for figures in scores.values() for name in figures))
    lines = [f"| measured on | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in scores.items():
        cells = (f"{figures[c]:.3g}" if c in figures else "" for c in columns)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
