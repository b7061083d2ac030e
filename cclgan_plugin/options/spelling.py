"""Is an unknown key a slip of the pen? Stricter than a hint, because the answer refuses a run."""

from __future__ import annotations

from collections.abc import Iterable


def near_misspelling(word: str, known: Iterable[str]) -> str | None:
    """The known key that ``word`` most probably meant, or None.

    Used where unknown keys are allowed, because a model of another package may read them. So ``network_h`` is
    no slip of ``network_g``, nor ``resize_prob2`` of ``resize_prob``, but ``gan_otp`` is one of ``gan_opt``:
    exactly one letter is left out, added or exchanged inside a part of at least four letters, or two
    neighbours are swapped inside a part of at least two.

    Args:
        word: the unknown key.
        known: keys that exist.
    """
    for candidate in known:
        parts, meant = word.split('_'), candidate.split('_')
        if len(parts) != len(meant):
            # "gan_opt" written without its underscore, or with one too many.
            if word.replace('_', '') == candidate.replace('_', '') and word != candidate:
                return candidate
            continue
        changed = [(a, b) for a, b in zip(parts, meant, strict=True) if a != b]
        if len(changed) == 1 and _one_slip(*changed[0]):
            return candidate
    return None


def _one_slip(word: str, meant: str) -> bool:
    if word.lower() == meant.lower():
        return True
    if len(word) == len(meant):
        wrong = [i for i in range(len(word)) if word[i] != meant[i]]
        if len(wrong) == 2 and wrong[1] == wrong[0] + 1:
            return word[wrong[0]] == meant[wrong[1]] and word[wrong[1]] == meant[wrong[0]]
        return len(wrong) == 1 and len(meant) >= 4 and (word[wrong[0]] + meant[wrong[0]]).isalpha()
    longer, shorter = (word, meant) if len(word) > len(meant) else (meant, word)
    if len(longer) != len(shorter) + 1 or len(meant) < 4:
        return False
    return any(longer[:i] + longer[i + 1 :] == shorter and longer[i].isalpha() for i in range(len(longer)))
