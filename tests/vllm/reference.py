# pyright: basic, reportMissingImports=false
"""What transformers says of a model's directory: a program for the environment that has it.

Standard input: {"directory": …, "conversations": [{"messages": [… as a chat API takes them], "allowed": [tools]}]}.
Standard output: for each conversation {"text": …, "ids": […], "move": [ids of the greedy answer under the grammar]}.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from service.llm.embedded.grammar import LONGEST, Grammar
from service.llm.embedded.vocabulary import Vocabulary


class Reference:
    def __init__(self, directory):
        self.tokenizer = AutoTokenizer.from_pretrained(directory)
        self.model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
        self.grammar = Grammar(Vocabulary.read(self.tokenizer.backend_tokenizer.to_str()))

    def answer(self, conversation):
        text = self.tokenizer.apply_chat_template(conversation["messages"], tokenize=False, add_generation_prompt=True)
        ids = self.tokenizer(text)["input_ids"]
        return {"text": text, "ids": ids, "move": self.move(ids, conversation["allowed"])}

    def move(self, ids, allowed):
        start = self.grammar.start(allowed, ids)

        def may_come(_, so_far):
            state = start
            for token in so_far[len(ids) :].tolist():
                state = state.advance(token)
            return state.allowed().tolist()

        prompt = torch.tensor([ids])
        with torch.no_grad():
            written = self.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                max_new_tokens=LONGEST,
                prefix_allowed_tokens_fn=may_come,
            )
        return written[0, len(ids) :].tolist()


def main():
    torch.set_num_threads(1)
    asked = json.load(sys.stdin)
    reference = Reference(asked["directory"])
    json.dump([reference.answer(conversation) for conversation in asked["conversations"]], sys.stdout)


if __name__ == "__main__":
    main()
