"""Families of int8 networks, as the lines that `hw_models.validation.truth.int8_networks` reads."""

from __future__ import annotations

Lines = list[str]


def _channels(width: float, channels: int) -> int:
    """Rounded to a multiple of 8, as MobileNets do it. Source: Howard et al., 2017; Sandler et al., 2018."""
    value = width * channels
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def mobilenet_v1(res: int, width: float, classes: int, colours: int = 3) -> Lines:
    """Howard et al., arXiv:1704.04861, table 1."""
    steps = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    lines = [f"input {res}x{res}x{colours}", f"conv {_channels(width, 32)} 3x3 /2 relu"]
    for k, stride in steps:
        lines += [f"dw 3x3 /{stride} relu", f"conv {_channels(width, k)} 1x1 relu"]
    side = -(-res // 32)
    return [
        *lines,
        f"pool avg {side}x{side} /{side}",
        f"conv {classes} 1x1",
        f"reshape 1x{classes}",
        "softmax",
    ]


def mobilenet_v2(res: int, width: float, classes: int) -> Lines:
    """Sandler et al., arXiv:1801.04381, table 2."""
    lines = [f"input {res}x{res}x3", f"conv {_channels(width, 32)} 3x3 /2 relu6"]
    before = _channels(width, 32)
    blocks = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    for expand, channels, times, first in blocks:
        out = _channels(width, channels)
        for i in range(times):
            start = len(lines) - 1
            if expand > 1:
                lines.append(f"conv {before * expand} 1x1 relu6")
            lines += [f"dw 3x3 /{first if i == 0 else 1} relu6", f"conv {out} 1x1"]
            if i > 0:
                lines.append(f"add @{start}")
            before = out
    last = max(1280, _channels(width, 1280))
    return [*lines, f"conv {last} 1x1 relu6", "mean", f"reshape 1x{last}", f"fc {classes}", "softmax"]


def resnet(res: int, width: int, stages: list[int], classes: int, stem: int = 3) -> Lines:
    """Basic blocks of He et al., arXiv:1512.03385; a stem of 7 taps pools after it."""
    lines = [f"input {res}x{res}x3", f"conv {width} {stem}x{stem} /{2 if stem > 3 else 1} relu"]
    if stem > 3:
        lines.append("pool max 3x3 /2 same")
    for stage, times in enumerate(stages):
        k = width << stage
        for i in range(times):
            start, stride = len(lines) - 1, 2 if i == 0 and stage > 0 else 1
            lines += [f"conv {k} 3x3 /{stride} relu", f"conv {k} 3x3"]
            end = len(lines) - 1
            if stride > 1:
                lines += [f"from @{start}", f"conv {k} 1x1 /2"]
                start = len(lines) - 1
                lines.append(f"from @{end}")
            lines.append(f"add @{start} relu")
    last = width << (len(stages) - 1)
    return [*lines, "mean", f"reshape 1x{last}", f"fc {classes}", "softmax"]


def keyword_spotting(width: int, blocks: int) -> Lines:
    """DS-CNN of Zhang et al., arXiv:1711.07128."""
    lines = ["input 49x10x1", f"conv {width} 10x4 /2 relu"]
    for _ in range(blocks):
        lines += ["dw 3x3 /1 relu", f"conv {width} 1x1 relu"]
    return [*lines, "pool avg 25x5 /25", f"reshape 1x{width}", "fc 12", "softmax"]


def autoencoder(width: int, code: int, inputs: int = 640) -> Lines:
    """Anomaly detection of MLPerf Tiny: Banbury et al., arXiv:2106.07597."""
    hidden = [f"fc {k} relu" for k in [width] * 4 + [code] + [width] * 4]
    return [f"input {inputs}", *hidden, f"fc {inputs}"]


def transformer(tokens: int, dim: int, depth: int, heads: int, ratio: int = 4) -> Lines:
    """Encoder blocks without norms: attention and an MLP with a table look-up between its layers."""
    lines = [f"input 1x{tokens}x{dim}"]
    split, each = f"reshape 1x{tokens}x{heads}x{dim // heads}", dim // heads
    for _ in range(depth):
        start = len(lines) - 1
        lines += [f"conv {dim} 1x1", split, "transpose 0 2 3 1"]
        keys = len(lines) - 1
        lines += [f"from @{start}", f"conv {dim} 1x1", split, "transpose 0 2 1 3"]
        values = len(lines) - 1
        lines += [
            f"from @{start}",
            f"conv {dim} 1x1",
            split,
            "transpose 0 2 1 3",
            f"matmul @{keys}",
            "softmax",
        ]
        lines += [f"matmul @{values}", "transpose 0 2 1 3", f"reshape 1x1x{tokens}x{heads * each}"]
        lines += [f"conv {dim} 1x1", f"add @{start}"]
        start = len(lines) - 1
        lines += [f"conv {ratio * dim} 1x1", "sigmoid", f"conv {dim} 1x1", f"add @{start}"]
    return lines


def unet(res: int, width: int, depth: int) -> Lines:
    """Ronneberger et al., arXiv:1505.04597, padded, nearest upsampling."""
    lines, skips = [f"input {res}x{res}x3"], []
    for i in range(depth):
        lines += [f"conv {width << i} 3x3 relu", f"conv {width << i} 3x3 relu"]
        skips.append(len(lines) - 1)
        lines.append("pool max 2x2 /2")
    lines.append(f"conv {width << depth} 3x3 relu")
    for i in reversed(range(depth)):
        lines += [
            "resize 2",
            f"concat @{skips[i]}",
            f"conv {width << i} 3x3 relu",
            f"conv {width << i} 3x3 relu",
        ]
    return [*lines, "conv 2 1x1"]


def plain(res: int, channels: list[int], taps: int, classes: int, colours: int = 3) -> Lines:
    """A stack of convolutions, every second one with stride 2."""
    lines = [f"input {res}x{res}x{colours}"]
    for i, k in enumerate(channels):
        lines.append(f"conv {k} {taps}x{taps} /{1 + i % 2} relu")
    return [*lines, "mean", f"reshape 1x{channels[-1]}", f"fc {classes}"]


def squeeze_excite(res: int, width: int, blocks: int) -> Lines:
    """Inverted residuals with squeeze and excite and hard swish: Howard et al., arXiv:1905.02244."""
    lines = [f"input {res}x{res}x3", f"conv {width} 3x3 /2", "hardswish"]
    for i in range(blocks):
        k = width * (1 + i // 2)
        lines += [f"conv {4 * k} 1x1", "hardswish", f"dw 5x5 /{1 + i % 2} relu"]
        start = len(lines) - 1
        lines += ["mean", f"conv {k} 1x1 relu", f"conv {4 * k} 1x1", "sigmoid"]
        gate = len(lines) - 1
        lines += [f"from @{start}", f"mul @{gate}", f"conv {k} 1x1"]
    return [*lines, "mean", f"reshape 1x{width * (1 + (blocks - 1) // 2)}", "fc 10"]


def perceptron(rows: int, dims: list[int]) -> Lines:
    """Fully connected layers on several rows."""
    return [
        f"input {dims[0]}" if rows == 1 else f"input {rows}x{dims[0]}",
        *([] if rows == 1 else [f"reshape {rows}x{dims[0]}"]),
        *(f"fc {d} relu" for d in dims[1:]),
    ]


DEVELOPED_ON: dict[str, Lines] = {
    "mobilenet_v1_96_025": mobilenet_v1(96, 0.25, 2, 1),
    "mobilenet_v1_160_050": mobilenet_v1(160, 0.5, 1000),
    "mobilenet_v1_224_100": mobilenet_v1(224, 1.0, 1000),
    "mobilenet_v2_96_035": mobilenet_v2(96, 0.35, 1000),
    "mobilenet_v2_224_100": mobilenet_v2(224, 1.0, 1000),
    "resnet8_32_16": resnet(32, 16, [1, 1, 1], 10),
    "resnet18_64_16": resnet(64, 16, [2, 2, 2, 2], 10, 7),
    "resnet18_224_64": resnet(224, 64, [2, 2, 2, 2], 1000, 7),
    "ds_cnn_64": keyword_spotting(64, 4),
    "autoencoder_128": autoencoder(128, 8),
    "transformer_64_96": transformer(64, 96, 4, 3),
    "unet_64_16": unet(64, 16, 3),
    "perceptron_64": perceptron(64, [256, 1024, 256]),
    "squeeze_excite_96_16": squeeze_excite(96, 16, 6),
    "squeeze_excite_160_24": squeeze_excite(160, 24, 8),
    "transformer_196_192": transformer(196, 192, 2, 3),
    "squeeze_excite_80_16": squeeze_excite(80, 16, 7),
    "squeeze_excite_112_24": squeeze_excite(112, 24, 4),
    "squeeze_excite_48_40": squeeze_excite(48, 40, 5),
    "transformer_80_128": transformer(80, 128, 2, 4),
    "transformer_144_96": transformer(144, 96, 3, 3),
    "transformer_256_64": transformer(256, 64, 2, 2),
    "unet_112_16": unet(112, 16, 3),
    "unet_80_24": unet(80, 24, 2),
    "unet_160_8": unet(160, 8, 4),
    "autoencoder_96": autoencoder(96, 8, 256),
    "autoencoder_192": autoencoder(192, 24, 784),
    "plain_96_5": plain(96, [16, 24, 40, 80, 112], 5, 10),
    "plain_48_5": plain(48, [64, 96, 160, 192], 5, 10),
    "plain_64_7": plain(64, [32, 48, 96], 7, 10),
    "resnet10_80_20": resnet(80, 20, [2, 1, 2], 20),
    "resnet18_160_48": resnet(160, 48, [2, 2, 2, 2], 20, 7),
    "mobilenet_v2_128_100": mobilenet_v2(128, 1.0, 100),
    "mobilenet_v1_112_050": mobilenet_v1(112, 0.5, 20),
    "ds_cnn_96": keyword_spotting(96, 6),
    "perceptron_100": perceptron(100, [128, 512, 512, 64]),
    "perceptron_400": perceptron(1, [400, 200, 50]),
}
"""Networks that were looked at while the model was written."""

HELD_OUT: dict[str, Lines] = {
    "mobilenet_v1_128_025": mobilenet_v1(128, 0.25, 100),
    "mobilenet_v1_192_075": mobilenet_v1(192, 0.75, 1000),
    "mobilenet_v2_128_050": mobilenet_v2(128, 0.5, 100),
    "mobilenet_v2_160_075": mobilenet_v2(160, 0.75, 1000),
    "resnet14_48_24": resnet(48, 24, [2, 2, 2], 20),
    "resnet10_96_32": resnet(96, 32, [1, 1, 1, 1], 100, 7),
    "resnet34_128_32": resnet(128, 32, [3, 4, 6, 3], 100, 7),
    "ds_cnn_172": keyword_spotting(172, 4),
    "ds_cnn_276": keyword_spotting(276, 5),
    "autoencoder_256": autoencoder(256, 16, 512),
    "autoencoder_64": autoencoder(64, 4, 320),
    "transformer_49_128": transformer(49, 128, 3, 4),
    "transformer_100_160": transformer(100, 160, 3, 5),
    "unet_96_12": unet(96, 12, 3),
    "unet_128_8": unet(128, 8, 4),
    "plain_64_3": plain(64, [24, 40, 56, 72, 104], 3, 10),
    "plain_128_5": plain(128, [16, 32, 48, 64, 96, 128], 5, 10),
    "plain_32_7": plain(32, [20, 36, 68], 7, 10, 1),
    "plain_80_3": plain(80, [32, 64, 64, 128, 128, 256, 256], 3, 100),
    "squeeze_excite_128_8": squeeze_excite(128, 8, 5),
    "squeeze_excite_64_32": squeeze_excite(64, 32, 7),
    "perceptron_1": perceptron(1, [784, 300, 100, 10]),
    "perceptron_49": perceptron(49, [192, 768, 192, 768, 192]),
    "perceptron_256": perceptron(256, [96, 384, 96, 32]),
}
"""Networks whose layers were not looked at while the model was written; their totals were."""

FRESH: dict[str, Lines] = {
    "mobilenet_v1_144_075": mobilenet_v1(144, 0.75, 50),
    "mobilenet_v2_192_035": mobilenet_v2(192, 0.35, 200),
    "resnet14_112_24": resnet(112, 24, [1, 2, 2, 1], 40, 7),
    "resnet10_40_32": resnet(40, 32, [2, 2], 10),
    "ds_cnn_128": keyword_spotting(128, 5),
    "autoencoder_160": autoencoder(160, 12, 480),
    "transformer_120_192": transformer(120, 192, 2, 6),
    "transformer_36_64": transformer(36, 64, 4, 2),
    "unet_144_12": unet(144, 12, 3),
    "unet_64_32": unet(64, 32, 2),
    "plain_72_3": plain(72, [28, 52, 76, 100], 3, 12),
    "plain_112_5": plain(112, [12, 24, 48, 96], 5, 20),
    "squeeze_excite_144_12": squeeze_excite(144, 12, 6),
    "squeeze_excite_72_28": squeeze_excite(72, 28, 4),
    "perceptron_64_10": perceptron(64, [128, 256, 256, 10]),
    "perceptron_600": perceptron(1, [600, 256, 64, 16]),
}
"""Networks that were made after the last change of the model and compared once."""
