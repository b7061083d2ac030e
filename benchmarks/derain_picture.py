"""Draw what a network makes of rain on a photograph that it has not seen.

    python benchmarks/derain_picture.py docs/derained.jpg --model derain-small

The photograph, the cat of scikit-image, is in no training of the packaged networks; the rain is rendered by
the package: drizzle, rain, a downpour, and none at all. Its veil and mist were not in their training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import skimage.data

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import cclgan_plugin  # noqa: E402, F401  (mends BasicSR, which comes next)

# isort: split
from basicsr.metrics import calculate_psnr  # noqa: E402

from cclgan_plugin.data.image_file import encode_image  # noqa: E402
from cclgan_plugin.data.preview import side_by_side  # noqa: E402
from cclgan_plugin.data.rain_folder import rain_on  # noqa: E402
from cclgan_plugin.data.rain_params import rain_type  # noqa: E402
from cclgan_plugin.data.randomness import generator  # noqa: E402
from cclgan_plugin.inference import Derainer  # noqa: E402
from cclgan_plugin.whole_file import write_whole  # noqa: E402

#: Photograph, top left corner of the part that is shown, kind of rain.
ROWS = (
    ('chelsea', (0, 60), 'drizzle'),
    ('chelsea', (0, 0), 'rain'),
    ('chelsea', (20, 70), 'downpour'),
    ('chelsea', (0, 60), None),
)
HEIGHT, WIDTH = 280, 380


def main(argv: Sequence[str] | None = None) -> int:
    """Write the picture, print the PSNR of each row."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out', type=Path)
    parser.add_argument('--model', help='name of the Model Zoo, or a file of weights')
    args = parser.parse_args(argv)
    derainer = Derainer.from_pretrained(args.model, device='cpu')
    rows = []
    for name, (top, left), kind in ROWS:
        photo = getattr(skimage.data, name)()
        rng = generator(1, f'derain picture {name}')
        rainy = photo if kind is None else rain_on(photo, rain_type(kind), rng)
        row = [image[top : top + HEIGHT, left : left + WIDTH] for image in (rainy, derainer(rainy), photo)]
        values = [calculate_psnr(image, row[2], crop_border=0) for image in row[:2]]
        print(f'{name}, {kind or "no rain"}: {values[0]:.2f} -> {values[1]:.2f} dB')
        rows.append(row)
    picture = side_by_side(rows, ('input', 'derained', 'truth'))
    write_whole(args.out, encode_image(picture, args.out.suffix))
    return 0


if __name__ == '__main__':
    sys.exit(main())
