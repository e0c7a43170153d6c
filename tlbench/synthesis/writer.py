"""A causal language model that answers prompts: several answers at once, by a seed of their own."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache, StoppingCriteria
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.utils.logging import disable_progress_bar

from tlbench.config.schema import Synthesis
from tlbench.errors import UserError, first_line
from tlbench.models.loading import quiet_transformers
from tlbench.plan.prompt import FIELDS, is_whole, plain, turns
from tlbench.plan.writer_files import place_of

disable_progress_bar()  # type: ignore[no-untyped-call]


class Written(NamedTuple):
    """What a model has written.

    Attributes:
        text: after what was begun for it.
        has_ended: whether the model ended it, and not the limit of tokens.
        tokens: how many it has.
    """

    text: str
    has_ended: bool
    tokens: int


class Writer:
    """The language model of ``synthesis.model``.

    Args:
        options: which files, and how tokens are chosen.
        identity: of the files; of the hub that commit is read.
        device: where it writes.

    Raises:
        UserError: naming ``synthesis.model``, if it can't be read.
    """

    def __init__(self, options: Synthesis, identity: str, device: torch.device) -> None:
        self.options = options
        files = _files(options.model, identity)
        dtype = "auto" if device.type == "cuda" else torch.float32
        try:
            with quiet_transformers():
                self.tokenizer: Any = AutoTokenizer.from_pretrained(**files)
                model: Any = AutoModelForCausalLM.from_pretrained(**files, dtype=dtype)
        except Exception as error:  # the libraries that read the files raise errors of any type
            raise UserError(
                f"Change synthesis.model: '{options.model}' can't be loaded as a causal language "
                f"model ({first_line(error)})."
            ) from error
        self.model = model.eval().to(device)

    def write(
        self, asked: str, examples: Sequence[Sequence[str]], texts: int, seed: int
    ) -> list[Written]:
        """Return ``synthesis.batch`` answers to a prompt.

        Args:
            asked: for a row.
            examples: rows that it is shown.
            texts: how many a row has.
            seed: of the choice of tokens; the same gives the same answers on one device.

        Raises:
            UserError: if the prompt is longer than the model can read.
        """
        options = self.options
        prompt = self._tokens(asked, examples, texts)
        self._check_length(prompt.shape[1])
        prompts = prompt.repeat(options.batch, 1)
        ends = _Ends(self.tokenizer, prompt.shape[1], texts)
        devices = [prompt.device] if prompt.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.inference_mode():
            torch.manual_seed(seed)
            ids = self.model.generate(
                prompts,
                attention_mask=torch.ones_like(prompts),
                past_key_values=self._read(prompt),
                do_sample=True,
                temperature=options.temperature,
                top_p=options.top_p,
                top_k=0,
                max_new_tokens=options.max_new_tokens,
                pad_token_id=self._end,
                eos_token_id=self._end,
                stopping_criteria=[ends],
            )
        return [self._written(row, texts) for row in ids[:, prompt.shape[1] :].tolist()]

    def _read(self, prompt: Tensor) -> DynamicCache | None:
        """Return what the model remembers of a prompt but its last token, for every answer.

        It is read once, where `generate` would read it for each answer. None for a model that
        remembers in another way than by keys and values of all tokens.
        """
        if "past_key_values" not in inspect.signature(self.model.forward).parameters:
            return None
        cache = DynamicCache(config=self.model.config.get_text_config(decoder=True))
        if not {type(layer) for layer in cache.layers} <= {DynamicLayer, DynamicSlidingWindowLayer}:
            return None
        self.model.base_model(prompt[:, :-1], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(self.options.batch)
        return cache

    @property
    def _end(self) -> int:
        end = self.tokenizer.eos_token_id
        if end is None:
            raise UserError(
                f"Change synthesis.model: the tokenizer of '{self.options.model}' has no token "
                "that ends an answer."
            )
        return int(end)

    def _tokens(self, asked: str, examples: Sequence[Sequence[str]], texts: int) -> Tensor:
        """Return the prompt as tokens, (1, tokens), with the answer begun."""
        begin = FIELDS[texts][0]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(
                turns(asked, examples), tokenize=False, add_generation_prompt=True
            )
        else:
            text = plain(asked, examples)
        has_special = bool(self.tokenizer.chat_template)  # the template has written them
        encoded = self.tokenizer(
            text + begin, return_tensors="pt", add_special_tokens=not has_special
        )
        return encoded["input_ids"].to(self.model.device)  # type: ignore[no-any-return]

    def _check_length(self, tokens: int) -> None:
        most = getattr(self.model.config, "max_position_embeddings", None)
        if most is not None and tokens + self.options.max_new_tokens > most:
            raise UserError(
                f"Change synthesis.examples or synthesis.max_new_tokens: a prompt has {tokens} "
                f"tokens, and '{self.options.model}' reads {most} with those that it writes."
            )

    def _written(self, ids: list[int], texts: int) -> Written:
        """Return an answer without what was written after its end."""
        has_ended = self._end in ids
        own = ids[: ids.index(self._end)] if has_ended else ids
        text = self.tokenizer.decode(own, skip_special_tokens=True)
        return Written(text, has_ended or is_whole(text, texts), len(own))


class _Ends(StoppingCriteria):
    """Ends an answer after the line of its last text, whatever the model would write next."""

    def __init__(self, tokenizer: Any, prompt: int, texts: int) -> None:
        self.tokenizer, self.prompt, self.texts = tokenizer, prompt, texts

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Any:
        """Return which answers end here, (answers,)."""
        written = self.tokenizer.batch_decode(input_ids[:, self.prompt :], skip_special_tokens=True)
        whole = [is_whole(text, self.texts) for text in written]
        return torch.tensor(whole, device=input_ids.device)


def _files(model: str, identity: str) -> dict[str, Any]:
    """Return what ``from_pretrained`` is given to read a model's files."""
    place = place_of(model)
    if isinstance(place, str):
        return {
            "pretrained_model_name_or_path": place,
            "revision": identity.removeprefix("commit:"),
        }
    if place.is_dir():
        return {"pretrained_model_name_or_path": str(place)}
    folder: Path = place.parent
    return {"pretrained_model_name_or_path": str(folder), "gguf_file": place.name}
