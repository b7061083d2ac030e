"""CLIP's image embedding: the semantic space of the paper."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cclgan_plugin.encoders.clip_tower import CLIPTower, build_image_network
from cclgan_plugin.encoders.construction import undisturbed_construction, warn_of_random_weights
from cclgan_plugin.encoders.frozen import SemanticEncoder
from cclgan_plugin.encoders.hub import clip_hub_file
from cclgan_plugin.encoders.option_values import read_weight, read_word
from cclgan_plugin.encoders.registry import ENCODERS
from cclgan_plugin.encoders.weights_file import file_identity, find_weights, read_tensors
from cclgan_plugin.encoders.weights_fit import require_fit, shapes_of
from cclgan_plugin.errors import OptionError, did_you_mean


@ENCODERS.register_module()
class CLIPEncoder(SemanticEncoder):
    """The embedding (N, D) of CLIP's image network; D = 512 for ViT-B/32.

    The whole image is resized to CLIP's own size (224x224 for ViT-B/32), bicubic with antialiasing,
    and normalised with CLIP's own mean and standard deviation. The embedding is what the network
    returns, not L2-normalised: distances are taken in that space (method, section 5).

    Args:
        model: a name of open_clip. OpenAI's weights belong to the ``-quickgelu`` variants.
        weights: ``openai``, or another name under which open_clip offers weights for the model
            (downloaded once into the Hugging Face cache); or a file, ``.safetensors`` or of
            ``torch.save``, with the whole model or its image half; or ``random``, for tests and
            demonstrations.
        weight: of this encoder among several.

    Raises:
        OptionError: an option is of the wrong type.
    """

    def __init__(
        self, *, model: str = 'ViT-B-32-quickgelu', weights: str = 'openai', weight: float = 1.0
    ) -> None:
        super().__init__(('embedding',), (1.0,), read_weight(weight, 'CLIPEncoder: weight'))
        self.model = read_word(model, 'CLIPEncoder: model')
        self.weights = read_word(weights, 'CLIPEncoder: weights')

    def check(self) -> None:
        config = self._config()
        if self.weights == 'random':
            warn_of_random_weights(f'CLIPEncoder ({self.model})')
            return
        with undisturbed_construction(), torch.device('meta'):
            expected = shapes_of(build_image_network(config))
        path = self._file()
        require_fit(self._read(path, config), expected, path, f"the image half of CLIP's {self.model}")

    def identity(self) -> Hashable:
        source = 'random' if self.weights == 'random' else file_identity(self._file())
        return 'CLIPEncoder', self.model, source, self._mean_and_std()

    def build(self, dtype: torch.dtype) -> CLIPTower:
        config = self._config()
        network = build_image_network(config).to(dtype)
        if self.weights == 'random':
            warn_of_random_weights(f'CLIPEncoder ({self.model})')
        else:
            path = self._file()
            tensors = self._read(path, config)
            require_fit(tensors, shapes_of(network), path, f"the image half of CLIP's {self.model}")
            network.load_state_dict(tensors)
        size = config['vision_cfg']['image_size']
        height, width = (size, size) if isinstance(size, int) else size
        return CLIPTower(network, (height, width), *self._mean_and_std())

    def _config(self) -> dict[str, Any]:
        import open_clip

        config = open_clip.get_model_config(self.model) if ':' not in self.model else None
        if config is None:
            models = open_clip.list_models()
            raise OptionError(
                f'CLIPEncoder: model: open_clip has no "{self.model}".{did_you_mean(self.model, models)} '
                f'It has: {", ".join(models)}.'
            )
        if self.weights in open_clip.list_pretrained_tags_by_model(self.model):
            from open_clip.pretrained import get_pretrained_cfg

            trained_so = get_pretrained_cfg(self.model, self.weights).get('quick_gelu', False)
            self._require_activation(config, trained_so)
        return dict(config)

    def _require_activation(self, config: dict[str, Any], quick_gelu: bool) -> None:
        """With the other kind of GELU the weights load without complaint and mean something else."""
        if config.get('quick_gelu', False) == quick_gelu or 'timm_model_name' in config['vision_cfg']:
            return
        right = f'{self.model}-quickgelu' if quick_gelu else self.model.removesuffix('-quickgelu')
        raise OptionError(
            f'CLIPEncoder: model: these weights ({self.weights}) were trained with '
            f'{"QuickGELU" if quick_gelu else "plain GELU"}, {self.model} has the other kind. '
            f'Use model: {right}.'
        )

    def _file(self) -> Path:
        import open_clip

        tags = open_clip.list_pretrained_tags_by_model(self.model)
        if self.weights in tags:
            return clip_hub_file(self.model, self.weights)
        return find_weights(self.weights, 'CLIPEncoder', (*tags, 'random'))

    def _read(self, path: Path, config: dict[str, Any]) -> dict[str, Tensor]:
        """The image half's tensors, out of a file with the whole model or with this half alone."""
        tensors = read_tensors(path, key='state_dict')
        if 'input_resolution' in tensors and 'vocab_size' in tensors:  # only OpenAI's own checkpoints say so
            self._require_activation(config, quick_gelu=True)
        half = {name.removeprefix('visual.'): t for name, t in tensors.items() if name.startswith('visual.')}
        return half or tensors

    def _mean_and_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Those of the named weights; for a file, those of the model's published weights; else OpenAI's."""
        import open_clip
        from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
        from open_clip.pretrained import get_pretrained_cfg

        tags = open_clip.list_pretrained_tags_by_model(self.model)
        tag = self.weights if self.weights in tags else next(iter(tags), '')
        published = get_pretrained_cfg(self.model, tag)
        return published.get('mean', OPENAI_DATASET_MEAN), published.get('std', OPENAI_DATASET_STD)
