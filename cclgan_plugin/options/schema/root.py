"""The top of an options file: of CCLGAN, and of any other BasicSR model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from cclgan_plugin.options.schema.common import BlockOf, FileName, Options, Text, Whole, option
from cclgan_plugin.options.schema.groups import (
    CCLGANLoggerOptions,
    DistOptions,
    LoggerOptions,
    OtherPathOptions,
    PathOptions,
    TrainOptions,
    ValOptions,
)


def _gpu_count(value: Any) -> Any:
    if value == 'auto' or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise PydanticCustomError(
        'expected', 'expected auto or a number of GPUs (0 = CPU), got {got}', {'got': repr(value)}
    )


GPUCount = Annotated[
    Any,
    PlainValidator(_gpu_count),
    WithJsonSchema({'anyOf': [{'const': 'auto'}, {'type': 'integer', 'minimum': 0}]}),
]
Seed = Annotated[Whole, Field(ge=0)]

_NAME = 'the folder of the run: experiments/NAME, results/NAME'
_GPUS = 'GPUs to use: auto = one, or with a launcher one for each process; 0 = CPU'
_OTHERS_GPUS = 'GPUs to use: auto = all visible ones, 0 = CPU'
_SEED = 'the same seed gives the same run; ~ = a random one, which the saved options name'
_DETERMINISTIC = 'the same bits at each run on the same machine, or an error that names what prevents it'
_DATASETS = 'train and val (val_2, ...) for a training, test_1, test_2, ... for a test'
_GENERATOR = ('CCLGANGenerator',)
_DISCRIMINATOR = ('CCLGANDiscriminator',)
_HEAD = ('LCLHead',)


class CCLGANOptions(Options):
    """The run, and which model, data and networks it takes."""

    name: FileName = option(_NAME)
    model_type: Literal['CCLGANModel'] = option('the model')
    scale: Literal[1] = option('deraining keeps the size', 1)
    num_gpu: GPUCount = option(_GPUS, 'auto')
    manual_seed: Seed | None = option(_SEED, None)
    deterministic: bool = option(_DETERMINISTIC, False)
    datasets: Annotated[
        dict[str, Any],
        BlockOf('dataset', 'named', ('UnpairedImageDataset', 'PairedImageDataset', 'SingleImageDataset')),
    ] = option(_DATASETS)
    network_g: Annotated[dict[str, Any], BlockOf('arch', ours=_GENERATOR)] = option(
        'rain-free from rainy: the network you keep'
    )
    network_g_rain: Annotated[dict[str, Any] | None, BlockOf('arch', ours=_GENERATOR)] = option(
        'rainy from rain-free; ~ = one-sided training, as CUT does', None
    )
    network_d: Annotated[dict[str, Any] | None, BlockOf('arch', ours=_DISCRIMINATOR)] = option(
        'is this a real rain-free photograph? (training)', None
    )
    network_d_rain: Annotated[dict[str, Any] | None, BlockOf('arch', ours=_DISCRIMINATOR)] = option(
        'is this a real rainy photograph? Goes with network_g_rain', None
    )
    network_h: Annotated[dict[str, Any] | None, BlockOf('arch', ours=_HEAD)] = option(
        'head for features of rain-free images; needed with lcl_opt', None
    )
    network_h_rain: Annotated[dict[str, Any] | None, BlockOf('arch', ours=_HEAD)] = option(
        'head for features of rainy images; needed with lcl_opt and network_g_rain', None
    )
    path: PathOptions = option('files and folders', default_factory=PathOptions)  # type: ignore[valid-type]
    train: TrainOptions | None = option('training; not needed for a test', None)
    val: ValOptions | None = option('validation or test; ~ = none', None)
    logger: CCLGANLoggerOptions = option('logs and checkpoints', default_factory=CCLGANLoggerOptions)
    dist_params: DistOptions = option('several processes', default_factory=DistOptions)


class OtherTrainOptions(Options):
    """``train`` of another BasicSR model: what most of them read."""

    total_iter: Whole = option('training steps', ge=1)
    warmup_iter: Whole = option('steps with a rising learning rate; -1 = none', -1, ge=-1)
    net_d_iters: Whole = option('the generator takes a step every so many iterations', 1, ge=1)
    net_d_init_iters: Whole = option('iterations at the start that train the discriminator only', 0, ge=0)
    ema_decay: float = option('running average of network_g; 0 = off', 0.0, ge=0, lt=1)
    optim_g: Annotated[dict[str, Any] | None, BlockOf('optimizer')] = option(
        'optimizer of the generator', None
    )
    optim_d: Annotated[dict[str, Any] | None, BlockOf('optimizer')] = option(
        'optimizer of the discriminator', None
    )
    scheduler: Annotated[dict[str, Any] | None, BlockOf('scheduler')] = option(
        'learning rate over time', None
    )
    pixel_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option('pixel loss', None)
    perceptual_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option('perceptual loss', None)
    ldl_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option('loss on artefacts', None)
    feature_matching_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option(
        'feature matching loss', None
    )
    gan_opt: Annotated[dict[str, Any] | None, BlockOf('loss')] = option('adversarial loss', None)


class OtherOptions(Options):
    """The top of the file of any other model, of BasicSR or a third party, which may read further keys."""

    name: FileName = option(_NAME)
    model_type: Text = option('the model')
    scale: Whole | None = option('output size / input size', None, ge=1)
    num_gpu: GPUCount = option(_OTHERS_GPUS, 'auto')
    manual_seed: Seed | None = option(_SEED, None)
    datasets: Annotated[dict[str, Any], BlockOf('dataset', 'named')] = option(_DATASETS)
    network_g: Annotated[dict[str, Any] | None, BlockOf('arch')] = option('the generator', None)
    network_d: Annotated[dict[str, Any] | None, BlockOf('arch')] = option('the discriminator', None)
    path: OtherPathOptions = option(  # type: ignore[valid-type]
        'files and folders', default_factory=OtherPathOptions
    )
    train: OtherTrainOptions | None = option('training; not needed for a test', None)
    val: ValOptions | None = option('validation or test; ~ = none', None)
    logger: LoggerOptions = option('logs and checkpoints', default_factory=LoggerOptions)
    dist_params: DistOptions = option('several processes', default_factory=DistOptions)
    find_unused_parameters: bool = option("DistributedDataParallel's argument", False)

    @classmethod
    def train_fields(cls) -> frozenset[str]:
        """The keys of ``train`` that are known here."""
        return frozenset(OtherTrainOptions.model_fields)
