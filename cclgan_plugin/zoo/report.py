"""What ``basicsr zoo`` prints: lines of text, and whether all is well."""

from __future__ import annotations

from cclgan_plugin.zoo.cache import is_right, place_of
from cclgan_plugin.zoo.download import addresses_of, fetch
from cclgan_plugin.zoo.index import find_entry, load_index
from cclgan_plugin.zoo.transfer import without_secrets

Report = tuple[list[str], bool]


def list_models(names: list[str]) -> Report:
    """A heading and a line for each model, in columns."""
    index = load_index()
    rows = [('name', 'size', 'place', 'licence', 'what it is')]
    for entry in index.models:
        here = 'here' if place_of(entry).exists() else 'not here'
        default = ' (default)' if entry.name == index.default else ''
        size, licence = f'{entry.size / 1e6:.2f} MB', entry.licence.partition(':')[0]
        rows.append((entry.name, size, here, licence, f'{entry.summary}{default}'))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f'{name:{widths[0]}}  {size:>{widths[1]}}  {place:{widths[2]}}  {licence:{widths[3]}}  {what}'
        for name, size, place, licence, what in rows
    ]
    return lines, True


def show_models(names: list[str]) -> Report:
    """Everything about one model."""
    entry = find_entry(names[0])
    apart = {'trained_by', 'metrics', 'urls', 'package', 'file'}
    lines = [f'{k}: {v}' for k, v in entry.model_dump(exclude=apart).items() if v is not None]
    # Line by line, to be copied into a shell.
    lines += [f'trained_by: {command}' for command in entry.trained_by]
    lines += [f'address: {without_secrets(address)}' for address in addresses_of(entry)]
    for metrics in entry.metrics:
        values = ', '.join(f'{name} {value:g}' for name, value in metrics.values.items())
        lines.append(f'metrics: {metrics.data}: {values}, by {metrics.command}')
    place = place_of(entry)
    return [*lines, f'place: {place}' + ('' if place.exists() else ' (not downloaded)')], True


def download_models(names: list[str]) -> Report:
    """Fetch models.

    Raises:
        WeightsError: one of them cannot be had.
    """
    return [f'{name}: {fetch(find_entry(name))}' for name in names], True


def verify_models(names: list[str]) -> Report:
    """Compare files with their hashes."""
    entries = [find_entry(name) for name in names]
    if not names:
        entries = [entry for entry in load_index().models if place_of(entry).exists()]
    lines, right = [], True
    for entry in entries:
        place = place_of(entry)
        good = is_right(entry, place)
        right &= good
        what = 'right' if good else 'not the right file' if place.exists() else 'not on this machine'
        lines.append(f'{entry.name}: {what}: {place}')
    return lines, right


def path_models(names: list[str]) -> Report:
    """The local file alone, for use in a shell."""
    return [str(fetch(find_entry(names[0])))], True
