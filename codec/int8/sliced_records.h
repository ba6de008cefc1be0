// The fixed part of sliced codes: for each code its start node and its sign,
// shortest_bits + 1 bits, in a record for each block of 64 codes.
//
// The bits are split, from the lowest, into fields of 4, 2 and 1 bits, as the
// width has them. In the bytes of a field of k bits, byte j holds code j in its
// lowest k bits, code j + 8k in the next, and so on: so unpacking is a shift
// and a mask of whole vectors.
//
// In memory a node is one byte, with the sign in bit 7. These are the
// reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/bytes.h"
#include "codec/int8/sliced_format.h"

namespace qstore::codec {

// Eight codes at a time, as bytes of a word: word j of a field of k bits holds
// words j, j + k, j + 2k and so on of the codes.
inline constexpr size_t kRecordWords = kSlicedBlock / 8;

inline constexpr uint64_t InEveryByte(uint64_t byte) {
  return byte * 0x0101010101010101;
}

template <uint32_t kBits>
inline uint64_t UnpackField(const uint8_t* field, size_t word) {
  return LoadLittleEndian<uint64_t>(field + word % kBits * 8) >>
             (word / kBits * kBits) &
         InEveryByte((1 << kBits) - 1);
}

// `shift` is where the field is in the values.
template <uint32_t kBits>
inline void PackField(const uint64_t (&values)[kRecordWords], uint32_t shift,
                      uint8_t* field) {
  for (size_t i = 0; i < kBits; ++i) {
    uint64_t packed = 0;
    for (size_t word = i; word < kRecordWords; word += kBits) {
      packed |= (values[word] >> shift & InEveryByte((1 << kBits) - 1))
                << (word - i);
    }
    StoreLittleEndian(packed, field + i * 8);
  }
}

template <uint32_t kShortestBits>
inline void UnpackRecords(const uint8_t* records, size_t blocks,
                          uint8_t* nodes) {
  constexpr uint32_t kWidth = kShortestBits + 1;
  for (size_t block = 0; block < blocks; ++block) {
    for (size_t word = 0; word < kRecordWords; ++word) {
      const uint8_t* field = records;
      uint64_t values = 0;
      if constexpr ((kWidth & 4) != 0) {
        values = UnpackField<4>(field, word);
        field += 4 * 8;
      }
      if constexpr ((kWidth & 2) != 0) {
        values |= UnpackField<2>(field, word) << (kWidth & 4);
        field += 2 * 8;
      }
      if constexpr ((kWidth & 1) != 0) {
        values |= UnpackField<1>(field, word) << (kWidth & 6);
      }
      StoreLittleEndian((values & InEveryByte((1 << kShortestBits) - 1)) |
                            (values >> kShortestBits & InEveryByte(1)) << 7,
                        nodes);
      nodes += 8;
    }
    records += kWidth * 8;
  }
}

template <uint32_t kShortestBits>
inline void PackRecords(const uint8_t* nodes, size_t blocks, uint8_t* records) {
  constexpr uint32_t kWidth = kShortestBits + 1;
  for (size_t block = 0; block < blocks; ++block) {
    uint64_t values[kRecordWords];
    for (uint64_t& word : values) {
      const auto node = LoadLittleEndian<uint64_t>(nodes);
      word = (node & InEveryByte((1 << kShortestBits) - 1)) |
             (node >> 7 & InEveryByte(1)) << kShortestBits;
      nodes += 8;
    }
    if constexpr ((kWidth & 4) != 0) {
      PackField<4>(values, 0, records);
      records += 4 * 8;
    }
    if constexpr ((kWidth & 2) != 0) {
      PackField<2>(values, kWidth & 4, records);
      records += 2 * 8;
    }
    if constexpr ((kWidth & 1) != 0) {
      PackField<1>(values, kWidth & 6, records);
      records += 8;
    }
  }
}

// Calls function(std::integral_constant<uint32_t, value>), for value 0..kLast.
template <uint32_t kLast, typename Function, uint32_t kNumber = 0>
inline void VisitNumber(uint32_t value, const Function& function) {
  if constexpr (kNumber < kLast) {
    if (value != kNumber) {
      VisitNumber<kLast, Function, kNumber + 1>(value, function);
      return;
    }
  }
  function(std::integral_constant<uint32_t, kNumber>());
}

}  // namespace qstore::codec
