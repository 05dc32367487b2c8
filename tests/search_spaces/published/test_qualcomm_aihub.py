"""Qualcomm AI Hub: parameters of the info pages are those of the networks.

Expected values: `params` of qualcomm_aihub_models; of parts, of the published checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hw_models.errors import InputError
from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


def hub(name: str, component: str = "", shape: str = "", params: float | None = None) -> Workload:
    return published_network(
        NamedNetwork("qualcomm_aihub_latency", name, component, input_shape=shape, params=params)
    )


@pytest.mark.parametrize(
    ("name", "shape", "params_m"),
    [
        ("resnet_mixed", "112x112", 11.7),
        ("beit", "224x224", 92.0),
        ("detr_resnet50", "480x480", 41.4),
        ("deeplabv3_plus_mobilenet", "513x513", 5.80),
        ("bisenet", "720x960", 12.0),
        ("ffnet_40s", "2048x1024", 13.9),
        ("hrnet_pose", "256x192", 28.5),
        ("posenet_mobilenet", "513x257", 3.31),
        ("midas", "256x256", 16.6),
        ("xlsr", "128x128", 0.028),
        ("aotgan", "512x512", 15.2),
        ("lama_dilated", "512x512", 45.6),
        ("yamnet", "1x1x96x64", 3.73),
        ("bert_base_uncased_hf", "1x384", 110.0),
        ("albert_base_v2_hf", "1x384", 11.8),
        ("electra_bert_base_discrim_google", "1x384", 109.0),
        ("nomic_embed_text", "1x128 (seqlen can vary)", 137.0),
        ("yolov8_det", "640x640", 3.18),
        ("salsanext", "1x5x64x2048", 6.71),
        ("segformer_base", "512x512", 3.75),
        ("deeplab_xception", "480x520", 41.26),
        ("sesr_m5", "128x128", 0.343),
    ],
)
def test_parameters_of_the_info_pages(name: str, shape: str, params_m: float) -> None:
    workload = hub(name, "", shape, params_m * 1e6)
    assert workload.params / 1e6 == pytest.approx(params_m, rel=0.0075)


def test_encoder_and_decoder_share_the_parameters_of_the_checkpoint() -> None:
    encoder = hub("whisper_tiny", "HfWhisperEncoder", "80x3000 (30 seconds audio)")
    decoder = hub("whisper_tiny", "HfWhisperDecoder", "80x3000 (30 seconds audio)")
    assert encoder.params + decoder.params == 37_760_640  # openai/whisper-tiny


@pytest.mark.parametrize(
    ("name", "component", "params_m"),
    [
        ("mediapipe_face", "FaceDetector", 0.135),
        ("mediapipe_face", "FaceLandmarkDetector", 0.603),
        ("mediapipe_hand", "HandDetector", 1.76),
        ("easyocr", "EasyOCRDetector", 20.77),
    ],
)
def test_parts_have_the_parameters_of_their_checkpoints(name: str, component: str, params_m: float) -> None:
    assert hub(name, component).params / 1e6 == pytest.approx(params_m, rel=0.01)


def test_a_decoder_makes_one_token() -> None:
    decoder = hub("whisper_tiny", "HfWhisperDecoder")
    heard = 4 * 2 * 384 * (1500 + 199)  # layers x (scores and sums) x width x tokens attended to
    assert decoder.macs - heard < decoder.params  # every weight once at most


def test_a_stated_size_scales_the_work() -> None:
    small, large = hub("xlsr", "", "64x64"), hub("xlsr", "", "128x128")
    assert large.macs == 4 * small.macs
    assert large.params == small.params


def test_text_is_counted_in_tokens() -> None:
    short, long = hub("nomic_embed_text", "", "1x64"), hub("nomic_embed_text", "", "1x128")
    assert short.params == long.params
    assert 1.9 < long.macs / short.macs < 2.1


def test_parts_are_told_from_the_whole() -> None:
    with pytest.raises(InputError, match="whisper_tiny"):
        hub("whisper_tiny", "Tokenizer")
