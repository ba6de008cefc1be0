// Small differences as digits of a number, several in a byte: docs/format.md,
// "Code differences".
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/bytes.h"

namespace qstore::codec {

inline constexpr uint32_t kMaxReach = 127;

// Differences -reach..reach are digits to the base 2 * reach + 1, and a byte
// holds as many as fit. A difference beyond the reach is far: its digit is that
// of 0, and it is stored elsewhere. With reach 0 no digits are stored.
struct DifferencePacking {
  uint32_t reach;  // 0..kMaxReach
  uint32_t base;
  uint32_t per_byte = 0;

  explicit constexpr DifferencePacking(uint32_t most)
      : reach(most), base(2 * most + 1) {
    for (uint32_t values = base; reach > 0 && values <= 256; values *= base) {
      ++per_byte;
    }
  }

  constexpr size_t PackedBytes(size_t count) const {
    return reach == 0 ? 0 : (count + per_byte - 1) / per_byte;
  }
  bool IsFar(int8_t difference) const {
    return static_cast<uint32_t>(std::abs(int{difference})) > reach;
  }
};

void PackDifferences(const DifferencePacking& packing,
                     std::span<const int8_t> differences, ByteVector* packed);

// *differences gets a few elements more than there are digits. Any bytes are
// digits of something. The reach is not 0.
void UnpackDifferences(const DifferencePacking& packing, ByteView packed,
                       std::vector<int8_t>* differences);

// How often each difference occurs, by its bits.
using DifferenceHistogram = std::array<uint64_t, 256>;

DifferenceHistogram CountDifferences(std::span<const int8_t> differences);

struct ReachChoice {
  uint32_t reach = 0;
  double bits = 0;  // about what the differences take then
};

// The reach that costs least. The same on every machine.
ReachChoice ChooseReach(const DifferenceHistogram& histogram);

}  // namespace qstore::codec
