// What a pair takes at least, as long as codes are coded with one table a
// tensor.
#pragma once

#include "benchmarks/pair_chunks.h"

namespace qstore::codec {

// Bits a weight, without scales, headers and keys.
struct EntropyFloor {
  // Order-0 entropy of the codes.
  double codes = 0;
  // Order-0 entropy of the differences between nearest and given codes.
  double differences = 0;
  // Of the weights given nearest code and scale: log2 of the interval's size,
  // and for code 0 the order-0 entropy of the exponents, sign and mantissa.
  double weights = 0;

  double total() const { return codes + differences + weights; }
};

EntropyFloor ComputeEntropyFloor(const PairChunks& pairs);

}  // namespace qstore::codec
