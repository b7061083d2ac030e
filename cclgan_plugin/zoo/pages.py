"""``MODEL_ZOO.md`` and ``model-index.yml``, made from the zoo's data file.

python -m cclgan_plugin.zoo.pages --update   # after a change of zoo/models.yml or of the weights beside it
python -m cclgan_plugin.zoo.pages --check    # by the exit code: is everything up to date?
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cclgan_plugin.checksum import sha256_of
from cclgan_plugin.errors import run_as_command
from cclgan_plugin.marked_page import between_marks
from cclgan_plugin.whole_file import write_whole
from cclgan_plugin.zoo.index import load_index
from cclgan_plugin.zoo.schema import Entry, Index

BEGIN = '<!-- zoo: begin (made by python -m cclgan_plugin.zoo.pages) -->'
END = '<!-- zoo: end -->'

_COMMAND = 'python -m cclgan_plugin.zoo.pages --update'

_DATA = Path(__file__).with_name('models.yml')
_ROOT = Path(__file__).parents[2]


def zoo_page(index: Index) -> str:
    """The models as Markdown."""
    parts = [
        '| name | what it is | trained on | size | licence |',
        '|---|---|---|---:|---|',
        *[
            f'| `{e.name}`{" (default)" if e.name == index.default else ""} | {e.summary} | '
            f'{e.training_data} | {e.size / 1e6:.2f} MB | {e.licence} |'
            for e in index.models
        ],
    ]
    for entry in index.models:
        parts += ['', f'### {entry.name}', '']
        parts += [f'Trained with [`{entry.options}`]({entry.options}).', ''] if entry.options else []
        if entry.trained_by:
            parts += ['```sh', *entry.trained_by, '```', '']
        if entry.picture:
            parts += [f'![Input, result of {entry.name}, truth]({entry.picture})', '']
        parts += [f'SHA-256 `{entry.sha256}`', '']
        for metrics in entry.metrics:
            values = ', '.join(f'{name} {value:g}' for name, value in metrics.values.items())
            parts += [f'- {metrics.data}: {values}, by `{metrics.command}`']
        if not entry.metrics:
            parts += ['Nothing has been measured with it.']
    return '\n'.join(parts)


def model_index(index: Index) -> str:
    """The models as OpenMMLab's ``model-index.yml``."""
    collection = {
        'Name': 'CCLGAN',
        'Paper': {
            'Title': 'Cycle Contrastive Adversarial Learning for Unsupervised image Deraining',
            'URL': 'https://arxiv.org/abs/2407.11750',
        },
        'README': 'README.md',
    }
    models = [_openmmlab(entry) for entry in index.models]
    header = '# Made by python -m cclgan_plugin.zoo.pages --update\n'
    return header + yaml.safe_dump(
        {'Collections': [collection], 'Models': models}, sort_keys=False, allow_unicode=True, width=110
    )


def _openmmlab(entry: Entry) -> dict[str, Any]:
    results = [
        {'Task': 'Image Deraining', 'Dataset': metrics.data, 'Metrics': dict(metrics.values)}
        for metrics in entry.metrics
    ]
    found: dict[str, Any] = {'Name': entry.name, 'In Collection': 'CCLGAN'}
    if entry.options:
        found['Config'] = entry.options
    found['Metadata'] = {
        'Training Data': entry.training_data,
        'License': entry.licence,
        'Size (bytes)': entry.size,
        'SHA256': entry.sha256,
    }
    if results:
        found['Results'] = results
    found['Weights'] = entry.urls[0] if entry.urls else f'cclgan://{entry.name}'
    return found


def with_packaged_files(text: str, folder: Path) -> str:
    """The data file with size and SHA-256 of the weights that ship with the package as they are now."""
    blocks = re.split(r'(?m)^(?=  - name:)', text)
    for i, block in enumerate(blocks):
        found = re.search(r'(?m)^ +package: *(\S+)', block)
        if not found:
            continue
        file = folder / found[1]
        if not file.is_file():
            raise SystemExit(f'{file}: there is no such file; models.yml names it')
        block = re.sub(r'(?m)^( +size:).*$', rf'\g<1> {file.stat().st_size}', block)
        blocks[i] = re.sub(r'(?m)^( +sha256:).*$', rf'\g<1> "{sha256_of(file)}"', block)
    return ''.join(blocks)


def pages(root: Path, data: Path) -> dict[Path, str]:
    """What the three files should hold."""
    text = with_packaged_files(data.read_text('utf-8'), data.parent)
    index = Index.model_validate(yaml.safe_load(text))
    page = root / 'MODEL_ZOO.md'
    old = page.read_text('utf-8')
    new = between_marks(old, BEGIN, END, zoo_page(index), str(page))
    return {data: text, page: new, root / 'model-index.yml': model_index(index)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Update or check; 1 = something is out of date."""
    parser = argparse.ArgumentParser(
        prog='python -m cclgan_plugin.zoo.pages', description=__doc__.split('\n')[0]
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument('--update', action='store_true', help='write the files')
    what.add_argument('--check', action='store_true', help='compare with what is there')
    parser.add_argument('--root', type=Path, default=_ROOT, help='the checkout')
    parser.add_argument('--data', type=Path, default=_DATA, help='the data file')
    args = parser.parse_args(arguments)
    late = [
        (file, text)
        for file, text in pages(args.root, args.data).items()
        if not file.exists() or file.read_text('utf-8') != text
    ]
    for file, text in late:
        if args.update:
            write_whole(file, text.encode())
        print(f'{file}: written' if args.update else f'{file} is out of date: {_COMMAND}')
    if args.update:
        load_index(args.data)  # the whole of it is right
    return 1 if args.check and late else 0


if __name__ == '__main__':
    run_as_command(main)
