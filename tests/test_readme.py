"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

README = Path(__file__).parents[1] / 'README.md'


def test_the_python_example_runs(capsys):
    block = re.search(r'<!-- example: [^>]*-->\n```python\n(.*?)```', README.read_text(), re.DOTALL)
    exec(compile(block.group(1), 'README.md', 'exec'), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_plain_pytorch_example_trains_in_twenty_odd_lines(capsys):
    block = re.search(r'<!-- plain PyTorch: [^>]*-->\n```python\n(.*?)```', README.read_text(), re.DOTALL)
    code = block.group(1)
    assert 'basicsr' not in code
    assert len(code.splitlines()) <= 25
    names = {}
    exec(compile(code, 'README.md', 'exec'), names)
    # The discriminator looks, and learns nothing from the generator's loss (method: section 3).
    assert all(p.grad is None for p in names['critic'].parameters())
    assert all(p.grad is not None for p in names['net'].parameters())
    losses = [float(line) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 3


def test_the_lines_for_another_model_are_valid(tmp_path):
    """Put into a plain SRGANModel configuration they pass the check of all options."""
    from cclgan_plugin.options.check import check_options
    from cclgan_plugin.options.inherit import load_options

    block = re.search(
        r"## CCLGAN's losses in another model.*?```yaml\n(.*?)```", README.read_text(), re.DOTALL
    )
    plain = yaml.safe_load((README.parent / 'options/contrastive_srgan_x4.yml').read_text())
    plain['model_type'] = plain.pop('base_model_type')
    del plain['train']['contrastive_opt']
    (tmp_path / 'plain.yml').write_text(yaml.safe_dump(plain))
    assert 'contrastive_opt' not in check_options(load_options(tmp_path / 'plain.yml'))['train']
    (tmp_path / 'a.yml').write_text(f'_base_: plain.yml\n{block.group(1)}')
    losses = check_options(load_options(tmp_path / 'a.yml'))['train']['contrastive_opt']
    assert set(losses) == {'intra_ccl', 'inter_ccl', 'lcl'}


@pytest.mark.parametrize('page', ['README.md', 'docs/options.md'])
def test_every_file_it_names_exists(page):
    page = README.parent / page
    text = page.read_text()
    named = set(re.findall(r'`(options/[\w.]+|docs/[\w.]+|tests/[\w/.]+|benchmarks/[\w.]+)`', text))
    linked = {link for link in re.findall(r'\]\(([^)]+)\)', text) if not link.startswith('http')}
    assert linked
    for name in named | linked:
        file, _, anchor = name.partition('#')
        path = (README.parent if name in named else page.parent) / file if file else page
        assert path.exists(), name
        if anchor:
            headings = re.findall(r'^#+ (.*)$', path.read_text(), flags=re.M)
            anchors = {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}
            assert anchor in anchors, name


def test_the_first_screen_holds_both_commands():
    first = README.read_text().splitlines()[:30]
    assert sum(line.startswith('<!-- command: ') for line in first) == 2
