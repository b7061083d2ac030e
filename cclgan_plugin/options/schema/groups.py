"""The maps below the top of an options file: path, train, val, logger, dist_params."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from cclgan_plugin.options.schema.common import BlockOf, FileName, Options, Text, Weight, Whole, option

#: The networks of CCLGAN without their prefix ``network_``.
NETWORKS = ('g', 'g_rain', 'd', 'd_rain', 'h', 'h_rain')

_PIXEL = ('L1Loss', 'MSELoss', 'CharbonnierLoss')
_SCHEDULERS = ('LinearDecayLR', 'MultiStepLR', 'CosineAnnealingRestartLR')


class _PathOptions(Options):
    root: Text | None = option('where experiments/ and results/ go; ~ = the current directory', None)
    resume_state: Text | None = option('a .state file to continue from', None)
    ignore_resume_networks: list[Text] | None = option('networks (network_g, ...) not to take from it', None)
    resume_changed: Literal['error', 'allow'] = option(
        'a run to go on with that had another number of processes, another batch or other images: stop, '
        'or deal the rest of the epoch out anew',
        'error',
    )


#: One field of each kind for every network.
PathOptions: type[Options] = create_model(
    'PathOptions',
    __base__=_PathOptions,
    __module__=__name__,
    **{
        f'{prefix}_{network}': (annotation, option(meaning, default))
        for prefix, annotation, meaning, default in (
            (
                'pretrain_network',
                Text | None,
                'weights to start from, or to test: .pth, .safetensors, cclgan://NAME',
                None,
            ),
            (
                'param_key',
                Text | None,
                'its entry: params, or params_ema for the averaged copy; ~ = the file itself',
                'params',
            ),
            ('strict_load', bool, 'every weight must be there and fit', True),
        )
        for network in NETWORKS
    },  # type: ignore[call-overload]
)
#: BasicSR takes ``strict_load_g: ~``, which files of its models have, for false.
OtherPathOptions: type[Options] = create_model(
    'OtherPathOptions',
    __base__=PathOptions,
    __module__=__name__,
    **{
        f'strict_load_{network}': (bool | None, option('every weight must be there and fit; ~ = no', True))
        for network in NETWORKS
    },  # type: ignore[call-overload]
)
OtherPathOptions.__doc__ = PathOptions.__doc__ = '``path``: weights to start from, and where results go.'


class TrainOptions(Options):
    """``train``: the losses and how they are minimised."""

    total_iter: Whole = option('training steps', ge=1)
    warmup_iter: Whole = option('steps with a rising learning rate; -1 = none', -1, ge=-1)
    net_d_iters: Whole = option('the generators take a step every so many iterations', 1, ge=1)
    net_d_init_iters: Whole = option('iterations at the start that train the discriminators only', 0, ge=0)
    pool_size: Whole = option(
        'earlier generated images kept and shown to the discriminators; 0 = none', 0, ge=0
    )
    ema_decay: float = option(
        'e.g. 0.999: test and save a running average of network_g too; 0 = off', 0.0, ge=0, lt=1
    )
    grad_accum: Whole = option(
        'batches of batch_size_per_gpu that make one step, one after the other; one iteration is still one '
        'step',
        1,
        ge=1,
    )
    grad_clip: Weight = option(
        'largest Euclidean norm of the gradients of the generators, of the discriminators and of the heads; '
        '0 = off',
        0.0,
    )
    nan_limit: Whole = option(
        'iterations with a NaN or infinite loss or gradient that may be skipped; one more ends the run',
        10,
        ge=0,
    )
    amp: Literal['off', 'bf16', 'fp16'] = option(
        'precision of networks and losses: float32, bfloat16, or float16 with scaled gradients', 'off'
    )
    channels_last: bool | None = option(
        'the memory format of images and weights; ~ = true on GPUs that run our kernels, which need it', None
    )
    compile: bool = option('compile networks and losses; the first iterations take minutes', False)
    cuda_graphs: bool = option(
        'record the kernels of a training step and replay them; on one CUDA GPU',
        False,
    )
    checkpointing: bool = option(
        "compute the generators' activations again on the way back: less memory, more time", False
    )
    optim_g: Annotated[dict[str, Any], BlockOf('optimizer', ours=('Adam',))] = option(
        'optimizer of the generators'
    )
    optim_d: Annotated[dict[str, Any], BlockOf('optimizer', ours=('Adam',))] = option(
        'optimizer of the discriminators'
    )
    optim_h: Annotated[dict[str, Any] | None, BlockOf('optimizer', ours=('Adam',))] = option(
        'optimizer of the heads; needed with lcl_opt', None
    )
    scheduler: Annotated[dict[str, Any], BlockOf('scheduler', ours=_SCHEDULERS)] = option(
        'learning rate over time'
    )
    gan_opt: Annotated[dict[str, Any], BlockOf('loss', ours=('GANLoss',))] = option('adversarial loss')
    idt_opt: Annotated[dict[str, Any] | None, BlockOf('loss', ours=_PIXEL)] = option(
        'an image that is in the right domain already should stay as it is; ~ = off', None
    )
    cycle_opt: Annotated[dict[str, Any] | None, BlockOf('loss', ours=_PIXEL)] = option(
        'there and back again should give the image (CycleGAN); ~ = off', None
    )
    lcl_opt: Annotated[dict[str, Any] | None, BlockOf('loss', ours=('LCLLoss',))] = option(
        'location contrastive loss; ~ = off', None
    )
    intra_ccl_opt: Annotated[dict[str, Any] | None, BlockOf('loss', ours=('IntraCCLLoss',))] = option(
        'intra-cycle contrastive loss; ~ = off', None
    )
    inter_ccl_opt: Annotated[dict[str, Any] | None, BlockOf('loss', ours=('InterCCLLoss',))] = option(
        'inter-cycle contrastive loss; ~ = off', None
    )


class ValOptions(Options):
    """``val``: validation during training, or the test."""

    val_freq: Whole | None = option(
        'validate every so many iterations; needed in a training, unread in a test', None, ge=1
    )
    save_img: bool = option('save the derained images', False)
    suffix: Text | None = option('end of the saved file names in a test; ~ = the name of the run', None)
    pbar: bool = option('a progress bar', False)
    metrics: Annotated[
        dict[str, Any] | None,
        BlockOf('metric', 'named', ('calculate_psnr', 'calculate_ssim', 'calculate_niqe')),
    ] = option('metrics by a name of your choice; ~ = none', None)


class WandbOptions(Options):
    """``logger.wandb``: Weights & Biases, beside TensorBoard."""

    project: Text | None = option('name of the project; ~ = off', None)
    resume_id: Text | None = option('id of a run to continue', None)


class LoggerOptions(Options):
    """``logger``: what is written down, and how often (in iterations)."""

    print_freq: Whole = option('a line in the log', 100, ge=1)
    save_checkpoint_freq: Whole = option('a checkpoint', 5000, ge=1)
    use_tb_logger: bool = option('write TensorBoard files', True)
    wandb: WandbOptions | None = option('Weights & Biases', default_factory=WandbOptions)


class CCLGANLoggerOptions(LoggerOptions):
    """``logger``: what is written down, and how often (in iterations)."""

    keep_last: Whole | None = option(
        'training states kept, with their networks; older ones are removed; ~ = all of them', None, ge=1
    )
    keep_best: FileName | None = option(
        'a metric of val.metrics: net_g_best_NAME.pth is the network with its best value so far, on the '
        'first validation set where it can be measured; ~ = none',
        None,
    )


class DistOptions(Options):
    """``dist_params``: several processes (``--launcher``)."""

    backend: Literal['nccl', 'gloo'] = option('nccl for GPUs, gloo for CPUs', 'nccl')
    port: Annotated[Whole, Field(ge=1, le=65535)] | None = option(
        "the first process's port (Slurm); ~ = MASTER_PORT of the environment, else one by the job's number",
        None,
    )
