from __future__ import annotations

import pytest
import torch

from trainer import precision


def test_auto_takes_bf16_only_where_it_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for amx, wanted in ((True, "bf16-mixed"), (False, "32-true")):
        monkeypatch.setattr(precision, "has_amx", lambda amx=amx: amx)
        assert precision.resolve_precision("auto", "auto") == wanted
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert precision.resolve_precision("auto", "gpu") == "bf16-mixed"
    assert precision.resolve_precision("auto", "cpu") == "32-true"
    assert precision.resolve_precision("32-true", "gpu") == "32-true"
