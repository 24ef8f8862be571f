"""A comp that leaves alone what it must."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nuke_reage.imaging.blending import comp

NAN_WITH_PAYLOAD = np.array([0x7FC12345], np.uint32).view(np.float32)[0]

any_float = st.floats(width=32, allow_nan=True, allow_infinity=True)
unit = st.one_of(st.just(0.0), st.floats(0, 1, width=32))


def bits(array: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(array).view(np.uint32)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float32, (3, 4, 3), elements=any_float),
    hnp.arrays(np.float32, (3, 4), elements=unit),
    hnp.arrays(np.float32, (3, 4, 3), elements=any_float),
    st.one_of(st.just(0.0), st.floats(-2, 2)),
)
def test_the_plates_bits_stay_where_nothing_is_added(
    plate: npt.NDArray[np.float32], mask: npt.NDArray[np.float32], delta: npt.NDArray[np.float32], gain: float
) -> None:
    plate[0, 0] = (-0.0, NAN_WITH_PAYLOAD, -np.inf)
    out = comp(plate, mask, delta, gain)
    kept = (
        np.broadcast_to((mask == 0)[:, :, None], plate.shape) | (delta == 0) | ~np.isfinite(plate) | ~np.isfinite(delta)
    )
    if gain == 0:
        kept = np.ones_like(kept)
    np.testing.assert_array_equal(bits(out)[kept], bits(plate)[kept])
    with np.errstate(all="ignore"):
        added = delta * (mask * np.float32(gain))[:, :, None]
        expected = plate + added
    free = ~kept & np.isfinite(added)
    np.testing.assert_array_equal(out[free], expected[free])


def test_comp_adds_masked_light() -> None:
    plate = np.full((2, 2, 3), 60000.0, np.float32)
    mask = np.array([[0.0, 0.25], [0.5, 1.0]], np.float32)
    out = comp(plate, mask, np.full((2, 2, 3), -8.0), gain=2.0)
    np.testing.assert_array_equal(out[..., 0], [[60000.0, 59996.0], [59992.0, 59984.0]])
    assert plate[1, 1, 0] == 60000.0


def test_comp_names_wrong_shapes() -> None:
    plate = np.zeros((4, 5, 3), np.float32)
    with pytest.raises(ValueError, match="mask must be 4 rows x 5 columns"):
        comp(plate, np.zeros((5, 4)), plate)
    with pytest.raises(ValueError, match="plate and delta"):
        comp(plate, np.zeros((4, 5)), plate[:, :4])
    with pytest.raises(ValueError, match="mask must have shape"):
        comp(plate, np.zeros((4, 5, 1)), plate)
    with pytest.raises(ValueError, match="gain must be finite"):
        comp(plate, np.zeros((4, 5)), plate, np.nan)
