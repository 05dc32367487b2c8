"""Networks of `hailo_fps`: the Hailo model zoo.

Most are those of other projects under near names; what a suffix says of the training set, of the weights or
of box selection changes nothing here.

Source: hailo-ai/hailo_model_zoo, `docs/public_models/` (MIT), and the projects that its tables link to.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Shape, pixels
from search_spaces.published.deployed import deployed, renamed
from search_spaces.published.families import SIZE, Rule, built, ours
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

TEXT: Final = "clip_towers:TextTower"


def _words(width: int) -> Shape:
    """Embeddings of a text of 77 tokens, which the host looks up."""
    return (1, 77, width)


OWN: Final[tuple[Rule, ...]] = (
    (r"mobilenet_v(?P<version>[12])(?:_(?P<width>\d\.\d+))?", ours("mobilenets:mobilenet_v{version}")),
    (
        r"mobilenet_v3_(?P<size>large|small)_minimalistic",
        ours("mobilenets:mobilenet_v3", minimalistic=True),
    ),
    (r"resnet_v1_(?P<depth>50|101|152)", ours("slim_resnet:slim_resnet", version=1)),
    (
        r"resnext(?P<depth>\d+)_(?P<cardinality>\d+)x(?P<width>\d+)d",
        ours("resnet_variants:resnet_variant"),
    ),
    (r"efficientnet_(?P<size>[sml])", ours("resnets:edgetpu_efficientnet")),
    (r"squeezenet_v1\.1", ours("squeezenet:padded_squeezenet")),
    (r"hardnet(?P<depth>\d+)", ours("hardnet:hardnet")),
    (r"hardnet(?P<depth>\d+)ds", ours("hardnet:hardnet", separable=True)),
    (r"person_attr_resnet_v1_(?P<depth>\d+)", ours("resnet_variants:resnet_variant", classes=35)),
    (r"tddfa_mobilenet_v1", ours("mobilenets:mobilenet_v1", classes=62)),
    (r"arcface_r(?P<depth>\d+)", ours("face_recognition:arcface_resnet", embedding=0)),
    (r"arcface_mobilefacenet", ours("face_recognition:mobilefacenet")),
    (r"retinaface_mobilenet_v1", ours("retinaface:retinaface", width=1.0)),
    (r"retinaface_(?P<backbone>resnet\d+)", ours("retinaface:retinaface")),
    (r"osnet_x(?P<width>\d_\d+)", ours("osnet:osnet")),
    (r"repvgg_(?P<size>[ab]\d)_person_reid_(?P<classes>\d+)", ours("repvgg:repvgg")),
    (r"dncnn\w*color\w*", ours("restoration:DnCnn", channels=3)),
    (r"dncnn\w*", ours("restoration:DnCnn")),
    (r"espcn_x(?P<scale>\d)", ours("restoration:espcn")),
    (r"real_esrgan_x(?P<scale>\d)", ours("restoration:real_esrgan")),
    (r"zero_dce", ours("restoration:ZeroDce")),
    (r"ssd_mobilenet_v1", ours("ssd:ssd_mobilenet")),
    (r"ssd_mobilenet_v2", ours("ssd:ssd_mobilenet", version=2, lite=True)),
    (r"efficientdet_lite(?P<size>\d)", ours("efficientdet:EfficientDet", shared=False)),
    (r"scrfd_(?P<size>500m|2\.5g|10g)", ours("scrfd:Scrfd")),
    (r"cas_?vit_(?P<size>xs|s|m|t)", ours("casvit:cas_vit")),
    (r"deeplab_v3_mobilenet_v2", ours("deeplab:deeplab_mobilenet", output_stride=8)),
    (r"deeplab_v3_mobilenet_v2_wo_dilation", ours("deeplab:deeplab_mobilenet", output_stride=32)),
    (r"centernet_resnet_v1_(?P<depth>\d+)(?:_postprocess)?", ours("centernet:CenterNet")),
    (r"lightface_slim", ours("slim_faces:SlimFaces")),
    (r"nanodet_repvgg(?:_640)?", ours("nanodet:NanoDet")),
    (r"nanodet_repvgg_(?P<size>a[0-2])(?:_640)?", ours("nanodet:NanoDet")),
    (r"scdepth_?v3", ours("monodepth:MonoDepth")),
    (r"depth_anything(?:_v2)?_vits", ours("depth:DepthAnything", size=SIZE)),
    (r"centerpose_regnetx_800mf", ours("keypoints:CenterPose", arch="regnetx_008")),
    (r"centerpose_regnetx_1\.6gf(?:_fpn)?", ours("keypoints:CenterPose", arch="regnetx_016")),
    (r"mspn_regnetx_800mf", ours("keypoints:Mspn", arch="regnetx_008")),
    (r"unet_mobilenet_v2", ours("unet_mobilenet:UnetMobile")),
    (r"stdc(?P<variant>\d)", ours("stdc:Stdc")),
    (r"fcn8_resnet_v1_(?P<depth>\d+)", ours("stdc:Fcn8")),
    (r"segformer_b(?P<variant>\d)(?:_bn)?", ours("stdc:SegFormer")),
    (r"vit_pose_small(?:_bn)?", ours("clip_towers:VitPose")),
    (r"clip_(?:resnet_50|vit_b_\d+)_text_encoder", ours(TEXT, _words(512))),
    (r"clip_vit_l_\d+_text_encoder", ours(TEXT, _words(768), width=768, embedded=768)),
    (r"clip_(?:resnet_50x4)_text_encoder", ours(TEXT, _words(640), width=640, embedded=640)),
    (r"tinyclip_vit_39m_16_text_19m_\w+_text_encoder", ours(TEXT, _words(512), layers=6)),
    (r"tinyclip_vit_61m_32_text_29m_\w+_text_encoder", ours(TEXT, _words(512), layers=9)),
    (r"tinyclip_vit_39m_16_\w+_image_encoder", ours("clip_towers:image_tower")),
    (r"tinyclip_vit_61m_32_\w+_image_encoder", ours("clip_towers:image_tower", patch=32, width=640)),
    (r"detr_resnet_v1_(?P<depth>50|101)", ours("detr:Detr", size=SIZE)),
)
"""Architectures of ours by the zoo's names."""

RENAMED: Final = (
    (r"resnet_v1_(\d+)", r"resnet\1"),
    (r"inception_v1", "googlenet"),
    (r"mobilenet_v3", "mobilenet_edgetpu_100"),
    (r"regnet([xy])_(\d)00mf", r"regnet\g<1>_00\2"),
    (r"regnet([xy])_(\d)\.(\d)gf", r"regnet\g<1>_0\2\3"),
    (r"repghost_(\d)_(\d)x", r"repghostnet_\g<1>\g<2>0"),
    (r"resmlp(\d+)(?:_relu)?", r"resmlp_\1_224"),
    (r"(swin_\w+)", r"\1_patch4_window7_224"),
    (r"(vit|deit)_(tiny|small|base|large)(?:_bn)?", r"\1_\2_patch16_224"),
    (r"squeezenet_v(\d)\.(\d)", r"squeezenet\1_\2"),
    (r"ghostnet_(\d)_(\d)x", r"ghostnet_\g<1>\g<2>0"),
    (r"clip_vit_l_(\d+)_image_encoder", r"vit_large_patch\1_clip_224"),
    (r"clip_resnet_(50(?:x\d+)?)_image_encoder", r"resnet\1_clip"),
    (r"clip_vit_b_(\d+)_image_encoder", r"vit_base_patch\1_clip_224"),
)
"""Names that the registries write in another way."""

SHAPE: Final = re.compile(r"(\d+)x(\d+)x(\d+)")


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot take the size that is stated.
    """
    channels = 3
    if match := SHAPE.fullmatch(request.input_shape):
        channels = int(match[3])
        request = replace(request, input_shape=f"{match[1]}x{match[2]}")
    size = pixels(request.input_shape, request.img_size)
    found = built(request, OWN, request.name, size, channels) or yolo_network(request)
    found = found or deployed(request, renamed(request.name, RENAMED))
    if found is None:
        names = [*registries.known_names(), *(pattern for pattern, _ in OWN)]
        raise UnknownNameError(
            "network of the Hailo zoo", request.name, names, "see docs/published_networks.md"
        )
    return found
