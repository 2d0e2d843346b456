from __future__ import annotations

from tests.trainer.models import tiny_llama
from trainer.optimizer import parameter_groups


def test_only_matrices_decay_and_nothing_is_forgotten() -> None:
    model = tiny_llama()
    decaying, constant = parameter_groups(model, weight_decay=0.1, decay_embeddings=False)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kept = {names[id(parameter)] for parameter in constant["params"]}
    assert kept == {name for name in names.values() if "norm" in name or "embed_tokens" in name}
    assert len(decaying["params"]) + len(constant["params"]) == len(names)
    assert (decaying["weight_decay"], constant["weight_decay"]) == (0.1, 0.0)


def test_embeddings_decay_by_choice_and_a_tied_head_is_an_embedding() -> None:
    model = tiny_llama(tie_word_embeddings=True)
    for choice in (False, True):
        groups = parameter_groups(model, weight_decay=0.1, decay_embeddings=choice)
        found = any(parameter is model.lm_head.weight for parameter in groups[0]["params"])
        assert found == choice
