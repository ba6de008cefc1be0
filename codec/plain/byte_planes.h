// Splits elements of 1, 2, 4 or 8 bytes into byte planes and merges them again.
// Plane 0 holds the lowest byte of every element, plane 1 the next, and so on.
//
// Plain loops, written so that compilers turn them into vector code: they run
// well ahead of the entropy coder beside them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace qstore::codec {

// Whether the sign of a float is moved from the highest bit to the lowest, so
// that the highest byte of BF16 and FP32 is the exponent alone.
enum class SignPlace { kHighest, kLowest };

template <typename Element>
constexpr Element RotateSignDown(Element element) {
  return static_cast<Element>((element << 1) |
                              (element >> (8 * sizeof(Element) - 1)));
}

template <typename Element>
constexpr Element RotateSignUp(Element element) {
  return static_cast<Element>((element >> 1) |
                              (element << (8 * sizeof(Element) - 1)));
}

// `planes`: sizeof(Element) planes of `count` bytes, one after another. `raw`:
// `count` elements, any alignment. The two do not overlap.
template <typename Element, SignPlace kSignPlace>
void SplitPlanes(const uint8_t* __restrict raw, size_t count,
                 uint8_t* __restrict planes) {
  for (size_t i = 0; i < count; ++i) {
    auto element = LoadLittleEndian<Element>(raw + i * sizeof(Element));
    if constexpr (kSignPlace == SignPlace::kLowest) {
      element = RotateSignDown(element);
    }
    for (size_t plane = 0; plane < sizeof(Element); ++plane) {
      planes[plane * count + i] = static_cast<uint8_t>(element >> (8 * plane));
    }
  }
}

// The inverse. The planes lie apart; none overlaps `raw`.
template <typename Element, SignPlace kSignPlace>
void MergePlanes(const std::array<const uint8_t*, sizeof(Element)>& planes,
                 size_t count, uint8_t* __restrict raw) {
  for (size_t i = 0; i < count; ++i) {
    Element element = 0;
    for (size_t plane = 0; plane < sizeof(Element); ++plane) {
      element |= static_cast<Element>(static_cast<Element>(planes[plane][i])
                                      << (8 * plane));
    }
    if constexpr (kSignPlace == SignPlace::kLowest) {
      element = RotateSignUp(element);
    }
    StoreLittleEndian<Element>(element, raw + i * sizeof(Element));
  }
}

}  // namespace qstore::codec
