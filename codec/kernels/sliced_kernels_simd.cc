// The vector kernels of the sliced coder, compiled once for each instruction
// set that Highway knows, and the choice among them at run time.
//
// Bits are scattered to the codes that go on, and gathered from them, by pdep
// and pext (BMI2), which Highway does not have. x86 has them as intrinsics from
// AVX2 on; every other target uses the reference.
#include "codec/int8/sliced_magnitudes.h"
#include "codec/int8/sliced_records.h"
#include "codec/kernels/kernels.h"
#include "codec/kernels/sliced_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codec/kernels/sliced_kernels_simd.cc"
#include "hwy/foreach_target.h"  // must come before highway.h
#include "hwy/highway.h"
// These must come after foreach_target.h, and for each target.
#include "codec/kernels/sliced_avx2-inl.h"
#include "codec/kernels/sliced_avx512-inl.h"
#include "codec/kernels/sliced_avx512bw-inl.h"
#include "codec/kernels/sliced_vbmi2-inl.h"

HWY_BEFORE_NAMESPACE();
namespace qstore::codec::HWY_NAMESPACE {

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2

template <uint32_t kShortestBits>
HWY_NOINLINE void Unpack(const uint8_t* records, size_t blocks,
                         uint8_t* nodes) {
  UnpackNodes<kShortestBits>(records, blocks, nodes);
}

void DecodeBlocks(const SlicedTables& tables, const uint8_t* table_of,
                  size_t blocks, const uint8_t* records, LevelSource* levels,
                  int8_t* codes) {
  VisitNumber<kMaxShortestBits>(tables.shortest_bits, [&](auto bits) HWY_ATTR {
    Unpack<decltype(bits)::value>(records, blocks,
                                  reinterpret_cast<uint8_t*>(codes));
  });
  DecodeNodes(tables, table_of, blocks, levels, codes);
}

template <uint32_t kShortestBits>
HWY_NOINLINE void Pack(const uint8_t* nodes, size_t blocks, uint8_t* records) {
  PackNodes<kShortestBits>(nodes, blocks, records);
}

void EncodeBlocks(const SlicedTables& tables, const uint8_t* table_of,
                  size_t blocks, const int8_t* codes, uint8_t* records,
                  LevelSink* levels) {
  uint8_t nodes[kSlicedBatch];
  EncodeNodes(tables, table_of, blocks, codes, levels, nodes);
  VisitNumber<kMaxShortestBits>(tables.shortest_bits, [&](auto bits) HWY_ATTR {
    Pack<decltype(bits)::value>(nodes, blocks, records);
  });
}

Magnitudes AddMagnitudes(const int8_t* codes, size_t count,
                         uint16_t* column_sums) {
  return SumMagnitudes(codes, count, column_sums);
}

const SlicedKernels* TargetSlicedKernels() {
  static const SlicedKernels kKernels = {
      hwy::TargetName(HWY_TARGET), DecodeBlocks, EncodeBlocks, AddMagnitudes};
  return &kKernels;
}

#else

const SlicedKernels* TargetSlicedKernels() { return &ScalarSlicedKernels(); }

#endif

}  // namespace qstore::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace qstore::codec {

HWY_EXPORT(TargetSlicedKernels);

const SlicedKernels& BestSlicedKernels() {
  return ScalarKernelsForced() ? ScalarSlicedKernels()
                               : *HWY_DYNAMIC_DISPATCH(TargetSlicedKernels)();
}

}  // namespace qstore::codec
#endif  // HWY_ONCE
