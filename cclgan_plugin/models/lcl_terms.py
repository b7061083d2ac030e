"""Which image is compared with which in the location contrastive loss, by whom encoded, under which head."""

from __future__ import annotations

from dataclasses import dataclass

from cclgan_plugin.losses import LCLLoss


@dataclass(frozen=True)
class Term:
    """One term of LCL; images by their symbols, networks by their option names without ``network_``."""

    name: str
    key: str
    query: str
    encoder: str
    encoder_query: str
    head: str
    head_query: str


_TWO_SIDED = {
    'translation': (('rain_translation', 'r', 'c^'), ('clean_translation', 'c', 'r^')),
    'reconstruction': (('rain_reconstruction', 'c^', 'r~'), ('clean_reconstruction', 'r^', 'c~')),
    'identity': (('rain_identity', 'r', 'r_i'), ('clean_identity', 'c', 'c_i')),
}
_ONE_SIDED = {
    'translation': (('translation', 'r', 'c^'),),
    'identity': (('identity', 'c', 'c_i'),),
}


def lcl_terms(lcl: LCLLoss, two_sided: bool) -> list[Term]:
    """The terms that the options of a loss ask for (method: the table of section 4).

    Every image is encoded by the generator that takes its domain and passes that domain's head; with
    ``cycle_encoders: release`` the reconstruction terms swap the generators, as the authors' code does.
    """
    terms = []
    for kind in lcl.terms:
        for name, key, query in (_TWO_SIDED if two_sided else _ONE_SIDED)[kind]:
            swap = kind == 'reconstruction' and lcl.cycle_encoders == 'release'
            encoders = [_encoder(symbol, two_sided, swap) for symbol in (key, query)]
            heads = ['h_rain' if two_sided and symbol[0] == 'r' else 'h' for symbol in (key, query)]
            terms.append(Term(name, key, query, *encoders, *heads))
    return terms


def _encoder(symbol: str, two_sided: bool, swap: bool) -> str:
    takes_rain = (symbol[0] == 'r') != swap
    return 'g' if takes_rain or not two_sided else 'g_rain'
