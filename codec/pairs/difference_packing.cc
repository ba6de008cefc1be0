#include "codec/pairs/difference_packing.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace qstore::codec {
namespace {

// Wider reaches are packed no better than the next one here.
constexpr DifferencePacking kPackings[] = {
    DifferencePacking(0), DifferencePacking(1), DifferencePacking(2),
    DifferencePacking(7), DifferencePacking(kMaxReach)};

// The digits of a byte, in a word that is stored whole: what follows them is
// overwritten by those of the next byte.
using Word = std::array<int8_t, 8>;
static_assert(kPackings[1].per_byte <= std::tuple_size_v<Word>);

// count * log2(count), to a hundredth of a bit a count, by operations that give
// the same bits everywhere, which std::log2 does not promise.
double CountTimesLog2(uint64_t count) {
  if (count == 0) {
    return 0;
  }
  const int whole = std::bit_width(count) - 1;
  const double rest =
      static_cast<double>(count) / static_cast<double>(uint64_t{1} << whole) -
      1;
  return static_cast<double>(count) * (whole + rest + 0.34 * rest * (1 - rest));
}

double EstimateBits(const DifferenceHistogram& histogram,
                    const DifferencePacking& packing) {
  // Gaps are coded by bytes, each in at least one bit, and so is which
  // difference it is.
  constexpr double kFarBits = 14;
  uint64_t total = 0;
  uint64_t zero = histogram[0];
  uint64_t far = 0;
  double bits = 0;
  for (size_t value = 0; value < histogram.size(); ++value) {
    total += histogram[value];
    if (packing.IsFar(static_cast<int8_t>(value))) {
      far += histogram[value];
    } else if (value != 0) {
      bits -= CountTimesLog2(histogram[value]);
    }
  }
  zero += far;
  bits += CountTimesLog2(total) - CountTimesLog2(zero);
  // A Huffman code is a little longer than the entropy, and at least a bit.
  constexpr double kHuffmanBits = 0.1;
  const auto bytes = static_cast<double>(packing.PackedBytes(total));
  return std::max(bits + kHuffmanBits * bytes, bytes) +
         kFarBits * static_cast<double>(far);
}

}  // namespace

void PackDifferences(const DifferencePacking& packing,
                     std::span<const int8_t> differences, ByteVector* packed) {
  packed->resize(packing.PackedBytes(differences.size()));
  // The digit of each difference.
  std::array<uint8_t, 256> digits;
  for (size_t i = 0; i < digits.size(); ++i) {
    const auto difference = static_cast<int8_t>(i);
    digits[i] =
        static_cast<uint8_t>((packing.IsFar(difference) ? 0 : difference) +
                             static_cast<int>(packing.reach));
  }
  const auto pack = [&](size_t first, size_t count) {
    uint32_t number = 0;
    for (size_t i = first + count; i > first; --i) {
      number = number * packing.base +
               digits[static_cast<uint8_t>(differences[i - 1])];
    }
    return static_cast<uint8_t>(number);
  };
  const size_t whole = differences.size() / packing.per_byte;
  for (size_t i = 0; i < whole; ++i) {
    (*packed)[i] = pack(i * packing.per_byte, packing.per_byte);
  }
  if (whole < packed->size()) {
    packed->back() = pack(whole * packing.per_byte,
                          differences.size() - whole * packing.per_byte);
  }
}

void UnpackDifferences(const DifferencePacking& packing, ByteView packed,
                       std::vector<int8_t>* differences) {
  std::array<Word, 256> words = {};
  for (uint32_t byte = 0; byte < words.size(); ++byte) {
    uint32_t rest = byte;
    for (uint32_t i = 0; i < packing.per_byte; ++i) {
      words[byte][i] =
          static_cast<int8_t>(static_cast<int>(rest % packing.base) -
                              static_cast<int>(packing.reach));
      rest /= packing.base;
    }
  }
  differences->resize(packed.size() * packing.per_byte + sizeof(Word));
  int8_t* next = differences->data();
  for (const uint8_t byte : packed) {
    std::memcpy(next, words[byte].data(), sizeof(Word));
    next += packing.per_byte;
  }
}

DifferenceHistogram CountDifferences(std::span<const int8_t> differences) {
  // In turns: equal neighbours would wait for each other in one table.
  std::array<std::array<uint32_t, 256>, 4> tables = {};
  for (size_t i = 0; i < differences.size(); ++i) {
    ++tables[i % tables.size()][static_cast<uint8_t>(differences[i])];
  }
  DifferenceHistogram histogram = {};
  for (const auto& table : tables) {
    for (size_t value = 0; value < histogram.size(); ++value) {
      histogram[value] += table[value];
    }
  }
  return histogram;
}

ReachChoice ChooseReach(const DifferenceHistogram& histogram) {
  ReachChoice best;
  for (const DifferencePacking& packing : kPackings) {
    const double bits = EstimateBits(histogram, packing);
    if (packing.reach == kPackings[0].reach || bits < best.bits) {
      best = {packing.reach, bits};
    }
  }
  return best;
}

}  // namespace qstore::codec
