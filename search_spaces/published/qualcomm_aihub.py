"""Networks of `qualcomm_aihub_latency`: torchvision's and timm's names, and architectures of our own.

Source: qualcomm/ai-hub-models, `qai_hub_models/models/*/info.yaml` (input size, parameters, origin) and
`model.py` (inputs), BSD-3-Clause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.language.sizes import AUDIO_TOKENS, MARIAN, WHISPER
from search_spaces.language.sizes import Size as Depths
from search_spaces.published import registries
from search_spaces.published.base import Ids, Option, Shape, workload_of
from search_spaces.published.preprocessing import as_compiled, compiled_size
from search_spaces.published.rules import (
    Inputs,
    Network,
    Rule,
    Size,
    examples,
    image,
    matching,
    own,
    stated_size,
    torchvision,
)
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

ENCODERS: Final = "search_spaces.language.encoders:"
SEQ2SEQ: Final = "search_spaces.language.seq2seq:"
WHISPER_KEPT: Final = 199
"""Tokens that the decoder keeps beside the new one; 200 is the longest text that AI Hub compiles for."""
MARIAN_TOKENS: Final = 256


def tokens(size: Size) -> tuple[Shape | Ids, ...]:
    """One text of so many token ids."""
    return (Ids((1, size[1])),)


def image_and_text(size: Size) -> tuple[Shape | Ids, ...]:
    """An image and a text of 77 tokens."""
    return (1, 3, *size), Ids((1, 77))


def masked(size: Size) -> tuple[Shape | Ids, ...]:
    """An image with a mask as its fourth channel."""
    return ((1, 4, *size),)


def scan(size: Size) -> tuple[Shape | Ids, ...]:
    """A laser scan of five channels."""
    return ((1, 5, *size),)


def clip(size: Size) -> tuple[Shape | Ids, ...]:
    """Sixteen frames."""
    return ((1, 3, 16, *size),)


def spectrogram(_size: Size) -> tuple[Shape | Ids, ...]:
    """96 windows of 64 mel bands."""
    return ((1, 1, 96, 64),)


def _bert(size: int = 384, **options: Option) -> Network:
    return own(f"{ENCODERS}Bert", (size, size), **options).but(inputs=tokens)


def _encoder(size: str) -> Network:
    shape = (1, WHISPER[size].bands, 2 * AUDIO_TOKENS)
    return own(f"{SEQ2SEQ}WhisperEncoder", variant=size).but(inputs=lambda _size: (shape,))


def _decoder(network: Network, s: Depths, kept: int, heard: int) -> Network:
    """One token id, keys and values kept of those before it, and those of the encoder."""
    each = (s.decoder, 2, 1, s.heads)
    shapes = (*each, kept, s.width // s.heads), (*each, heard, s.width // s.heads)
    inputs: Inputs = lambda _size: (Ids((1, 1)), *shapes)  # noqa: E731
    return network.but(inputs=inputs)


def _whisper(size: str) -> tuple[Rule, Rule]:
    name = rf"whisper_{size}(_quantized)?/\w*"
    decoder = own(f"{SEQ2SEQ}whisper_decoder", variant=size)
    return (
        (rf"{name}encoder\w*", _encoder(size)),
        (rf"{name}decoder\w*", _decoder(decoder, WHISPER[size], WHISPER_KEPT, AUDIO_TOKENS)),
    )


_MARIAN: Final = own(f"{SEQ2SEQ}marian_decoder")

RULES: Final[tuple[Rule, ...]] = (
    ("resnet_3d", torchvision("r3d_18", (112, 112)).but(inputs=clip)),
    ("resnet_mixed", torchvision("mc3_18", (112, 112)).but(inputs=clip)),
    ("resnet_2plus1d", torchvision("r2plus1d_18", (112, 112)).but(inputs=clip)),
    ("video_mae", own("transformers:VideoMae").but(inputs=clip)),
    ("beit", own("transformers:Beit")),
    ("openai_clip", own("transformers:Clip").but(inputs=image_and_text, fixed=True)),
    (r"detr_resnet(?P<depth>\d+)", own("detr:Detr").but(sized="size")),
    (r"detr_resnet(?P<depth>\d+)_dc5", own("detr:Detr", dilated=True).but(sized="size")),
    ("pspnet", own("segmentation:PspNet", (473, 473))),
    ("bisenet", own("segmentation:BiSeNet", (720, 960))),
    ("deeplabv3_plus_mobilenet", own("segmentation:DeeplabV3Plus", (513, 513))),
    ("unet_segmentation", own("segmentation:Unet", (640, 1280)).but(fixed=True)),
    ("ffnet_(?P<depth>40|54|78)s", own("ffnet:FfNet", (1024, 2048))),
    ("ffnet_(?P<depth>40|54|78)s_lowres", own("ffnet:FfNet", (512, 1024), head="C")),
    ("segformer_base", own("stdc:SegFormer", (512, 512), classes=150)),
    ("salsanext", own("salsanext:SalsaNext", (64, 2048)).but(inputs=scan)),
    ("deeplab_xception", own("xception:DeeplabXception", (480, 520))),
    ("mediapipe_face/facedetector", own("blazeface:FaceDetector", (256, 256)).but(fixed=True)),
    ("mediapipe_face/facelandmarkdetector", own("blazeface:FaceLandmarks", (192, 192)).but(fixed=True)),
    ("mediapipe_hand/handdetector", own("blazeface:PalmDetector", (256, 256)).but(fixed=True)),
    ("easyocr/easyocrdetector", own("vgg_heads:Craft", (608, 800))),
    ("deepbox/vgg3ddetection", own("vgg_heads:Boxes3d").but(fixed=True)),
    ("ddrnet23_slim", own("ddrnet:DdrNet", (1024, 2048))),
    ("hrnet_pose", own("hrnet:HrnetPose", (256, 192))),
    ("hrnet_face", own("hrnet:HrnetFace", (256, 256))),
    ("hrnet_w(?P<width>18|32|48)_ocr", own("hrnet:HrnetOcr", (1024, 2048))),
    ("posenet_mobilenet", own("poses:PoseNet", (513, 257))),
    ("midas", own("depth:MidasSmall", (256, 256))),
    ("depth_anything(_v2)?", own("depth:DepthAnything", (518, 518)).but(sized="size")),
    ("xlsr", own("super_resolution:Xlsr", (128, 128))),
    ("quicksrnet_?small", own("super_resolution:quicksrnet", (128, 128), channels=32, layers=2)),
    ("quicksrnet_?medium", own("super_resolution:quicksrnet", (128, 128), channels=32, layers=5)),
    ("quicksrnet_?large", own("super_resolution:quicksrnet", (128, 128), channels=64, layers=11)),
    (r"sesr_m(?P<layers>\d+)", own("super_resolution:sesr", (128, 128))),
    ("(real_)?esrgan(_x4plus)?", own("super_resolution:esrgan", (128, 128))),
    ("real_esrgan_general_x4v3", own("super_resolution:Srvgg", (128, 128))),
    ("lama_dilated", own("inpainting:lama_dilated", (512, 512)).but(inputs=masked)),
    ("aotgan", own("inpainting:aot_gan", (512, 512)).but(inputs=masked)),
    ("cavaface", own("resnets:face_resnet", (112, 112))),
    ("yamnet", own("mobilenets:mobilenet_v1", classes=521, channels=1).but(inputs=spectrogram)),
    ("bert_base_uncased(_hf)?", _bert()),
    ("distil_?bert_base_uncased(_hf)?", _bert(layers=6, segments=0)),
    ("electra_bert_base_discrim(_google)?", _bert(head="discriminator")),
    ("albert_base_v2(_hf)?", _bert(words=30000, embedded=128, shared=True, pooler=True)),
    ("mobile_?bert_uncased(_google)?", own(f"{ENCODERS}MobileBert", (384, 384)).but(inputs=tokens)),
    ("nomic_embed_text", own(f"{ENCODERS}NomicEmbed", (128, 128)).but(inputs=tokens)),
    *(rule for size in WHISPER for rule in _whisper(size)),
    (
        r"opus_mt_\w+/\w*encoder",
        own(f"{SEQ2SEQ}MarianEncoder", (1, MARIAN_TOKENS)).but(inputs=tokens, fixed=True),
    ),
    (r"opus_mt_\w+/\w*decoder", _decoder(_MARIAN, MARIAN, MARIAN_TOKENS - 1, MARIAN_TOKENS)),
)
"""Names, or "name/component" in lower case where a part was measured alone; the first that fits."""


DETECTORS: Final[Mapping[str, str]] = {
    "fastsam_s": "yolov8s-seg",
    "fastsam_x": "yolov8x-seg",
    "yolov7": "yolov7-tiny",
}
"""Names of detectors as the grammar of YOLO names reads them, where theirs do not say."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name, or the part of it that the component names.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: one that cannot take the input that is stated.
    """
    name = request.name.lower()
    network = matching(RULES, f"{name}/{request.component.lower()}", name)
    if network is not None:
        size = stated_size(request, network)
        label = f"{name}@{size[0]}x{size[1]}" if network.inputs in {image, masked} else name
        return as_compiled(name, workload_of(network.recipe(size), label), classifier=False)
    detector = yolo_network(request, DETECTORS.get(name, name))
    if detector is not None:
        return detector
    found = registries.registered(replace(request, input_shape=compiled_size(name)))
    if found is None:
        names = [*registries.known_names(), *examples(RULES)]
        raise UnknownNameError(
            "network of Qualcomm AI Hub", request.name, names, "see docs/published_networks.md"
        )
    return as_compiled(name, found, classifier=True)
