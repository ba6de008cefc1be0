// Views of bytes and little-endian loads and stores.
//
// Everything on disk and on the wire is little-endian except RocksDB keys
// (storage/records/keys.h), which are big-endian so that they sort by number.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace qstore {

static_assert(std::endian::native == std::endian::little,
              "the vector kernels read stored integers in place");

using ByteView = std::span<const uint8_t>;
using MutableByteView = std::span<uint8_t>;
using ByteVector = std::vector<uint8_t>;

inline ByteView AsBytes(std::string_view s) {
  return {reinterpret_cast<const uint8_t*>(s.data()), s.size()};
}

inline std::string_view AsStringView(ByteView b) {
  return {reinterpret_cast<const char*>(b.data()), b.size()};
}

// Unaligned load of a trivially copyable integer or float.
template <typename T>
T LoadLittleEndian(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Unaligned store of a trivially copyable integer or float.
template <typename T>
void StoreLittleEndian(T value, void* to) {
  std::memcpy(to, &value, sizeof(T));
}

}  // namespace qstore
