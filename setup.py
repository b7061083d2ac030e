"""Packaging of the CCLGAN plugin for BasicSR."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(
    r"__version__ = '([^']+)'", (HERE / 'cclgan_plugin' / '__init__.py').read_text('utf-8')
).group(1)

# A package built on BasicSR, for the example options/contrastive_realesrgan_pairs.yml and its test.
REALESRGAN = ['realesrgan>=0.3']
EXPORT = ['onnx>=1.16', 'onnxscript>=0.3', 'onnxruntime>=1.18']
VIDEO = ['av>=16.1']
SPANDREL = ['spandrel>=0.4']
TEST = ['pytest>=8', 'pytest-timeout>=2.3', 'pytest-xdist>=3.3', *EXPORT, *VIDEO, *SPANDREL]

setup(
    name='cclgan-plugin',
    version=VERSION,
    description='CCLGAN, unsupervised image deraining from unpaired photographs, as a plugin for BasicSR',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    packages=find_packages(include=['cclgan_plugin', 'cclgan_plugin.*']),
    package_data={'cclgan_plugin': ['py.typed', 'zoo/models.yml', 'zoo/weights/*.safetensors']},
    # BasicSR 1.4.2 is a source distribution whose setup.py fails on Python 3.13 (KeyError: '__version__').
    python_requires='>=3.10, <3.13',
    install_requires=[
        'addict>=2.4',
        'basicsr>=1.4.2',
        'filelock>=3.12',
        'huggingface_hub>=0.20',
        'kornia-rs>=0.2,<0.3',
        'lmdb>=1.4',
        'matplotlib>=3.7',
        'mmengine>=0.10',
        'numpy>=1.24',
        'open_clip_torch>=2.30',
        'opencv-python>=4.8',
        'pillow>=11',
        'platformdirs>=3',
        'psutil>=5.9',
        'pydantic>=2.6',
        'pyyaml>=6',
        'requests>=2.28',
        'safetensors>=0.4',
        'scikit-image>=0.21',
        'simplejpeg>=1.8',
        'tifffile>=2022.8.12',
        # Before 2.10 a crafted checkpoint can run code in spite of weights_only (CVE-2025-32434,
        # CVE-2026-24747).
        'torch>=2.10',
        'torchvision>=0.25',
        'tqdm>=4.65',
        'urllib3>=2.2',
    ],
    extras_require={
        'export': EXPORT,
        'video': VIDEO,
        'spandrel': SPANDREL,
        'test': TEST,
        'realesrgan': REALESRGAN,
        'dev': [
            *TEST,
            'ruff>=0.6',
            'mypy>=1.11',
            'types-PyYAML',
            'types-psutil',
            'types-requests',
            'pre-commit>=3',
        ],
    },
    entry_points={
        'console_scripts': ['basicsr = cclgan_plugin.cli.main:main'],
        'basicsr.plugins': ['cclgan = cclgan_plugin'],
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'License :: OSI Approved :: Apache Software License',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Image Processing',
    ],
)
