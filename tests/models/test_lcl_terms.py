"""The terms of LCL: the table of the method's section 4."""

from cclgan_plugin.losses import LCLLoss
from cclgan_plugin.models.lcl_terms import lcl_terms


def table(two_sided=True, **options):
    return {
        t.name: (t.encoder, t.head, t.key, t.encoder_query, t.head_query, t.query)
        for t in lcl_terms(LCLLoss(**options), two_sided)
    }


def test_images_are_encoded_by_the_generator_and_head_of_their_domain():
    assert table() == {
        'rain_translation': ('g', 'h_rain', 'r', 'g_rain', 'h', 'c^'),
        'clean_translation': ('g_rain', 'h', 'c', 'g', 'h_rain', 'r^'),
        'rain_reconstruction': ('g_rain', 'h', 'c^', 'g', 'h_rain', 'r~'),
        'clean_reconstruction': ('g', 'h_rain', 'r^', 'g_rain', 'h', 'c~'),
    }


def test_the_release_swaps_generators_in_the_cycle_terms_only():
    swapped, plain = table(cycle_encoders='release'), table()
    for name in plain:
        keep = name.endswith('translation')
        expected = (
            plain[name] if keep else tuple({'g': 'g_rain', 'g_rain': 'g'}.get(x, x) for x in plain[name])
        )
        assert swapped[name] == expected


def test_one_sided_terms_use_one_generator_and_one_head():
    assert table(two_sided=False, terms=['translation', 'identity']) == {
        'translation': ('g', 'h', 'r', 'g', 'h', 'c^'),
        'identity': ('g', 'h', 'c', 'g', 'h', 'c_i'),
    }
