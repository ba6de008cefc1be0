// Size and speed of the coders of INT8 codes, on one core and side by side.
//
//   int8_coder_benchmark [MODEL.safetensors] [ROUNDS]
//
// Codes are those of the default quantizer, one scale a row, of the file's
// two-dimensional floating-point weights (rounded to BF16) except those whose
// name contains "embed" or "lm_head"; or of Gaussian weights when no file is
// named. Without the quantizer, scales and checksums: only what a coder does.
//
// Every round runs every coder with every kernel once over all chunks, so that
// what else the machine does hits all alike. Prints CPU time: the least and the
// median of the rounds. "zstd alone" is libzstd called on the same frames.
#include <zstd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "benchmarks/model_tensors.h"
#include "codec/int8/int8_coder.h"
#include "codec/kernels/kernels.h"
#include "codec/quantizer.h"
#include "hwy/targets.h"

namespace qstore::codec {
namespace {

struct Chunk {
  ChunkShape shape;
  std::vector<int8_t> codes;
};

double CpuSeconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         1e-9 * static_cast<double>(now.tv_nsec);
}

void AddTensor(const ModelTensor& tensor, std::vector<Chunk>* chunks) {
  const uint64_t step = RowsPerChunk(tensor.columns);
  const size_t row_bytes = tensor.columns * FloatBytes(tensor.format);
  const Quantizer* quantizer = &DefaultQuantizer();
  for (uint64_t first = 0; first < tensor.rows; first += step) {
    Chunk& chunk = chunks->emplace_back();
    chunk.shape.format = tensor.format;
    chunk.shape.rows =
        static_cast<uint32_t>(std::min(step, tensor.rows - first));
    chunk.shape.columns = static_cast<uint32_t>(tensor.columns);
    chunk.codes.resize(chunk.shape.weight_count());
    for (uint64_t i = 0; i < chunk.shape.rows; ++i) {
      quantizer->quantize(BestKernels(), tensor.format,
                          tensor.weights.data() + (first + i) * row_bytes,
                          tensor.columns,
                          chunk.codes.data() + i * tensor.columns);
    }
  }
}

void Require(const absl::Status& status) {
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::exit(EXIT_FAILURE);
  }
}

// One line of the table.
struct Contestant {
  std::string name;
  int64_t targets = 0;  // of Highway; 0: the reference kernels
  std::function<void(const Chunk&, ByteVector*)> encode;
  std::function<void(const Chunk&, ByteView, std::span<int8_t>)> decode;
  std::vector<ByteVector> stored;
  std::vector<double> encode_seconds;
  std::vector<double> decode_seconds;
};

Contestant MakeContestant(const Int8CoderEntry& entry, int64_t targets,
                          const char* kernels) {
  Contestant contestant;
  contestant.name = std::string(entry.name) + " " + kernels;
  contestant.targets = targets;
  const std::shared_ptr<CodesEncoder> encoder = entry.make_encoder();
  const std::shared_ptr<CodesDecoder> decoder = entry.make_decoder();
  contestant.encode = [encoder](const Chunk& chunk, ByteVector* out) {
    Require(encoder->Append(chunk.shape, chunk.codes, out));
  };
  contestant.decode = [decoder](const Chunk& chunk, ByteView stored,
                                std::span<int8_t> codes) {
    Require(decoder->Decode(chunk.shape, stored, codes));
  };
  return contestant;
}

Contestant MakeZstdAlone() {
  Contestant contestant;
  contestant.name = "zstd alone";
  const std::shared_ptr<ZSTD_CCtx> compressor(ZSTD_createCCtx(), ZSTD_freeCCtx);
  const std::shared_ptr<ZSTD_DCtx> decompressor(ZSTD_createDCtx(),
                                                ZSTD_freeDCtx);
  contestant.encode = [compressor](const Chunk& chunk, ByteVector* out) {
    out->resize(ZSTD_compressBound(chunk.codes.size()));
    out->resize(ZSTD_compressCCtx(compressor.get(), out->data(), out->size(),
                                  chunk.codes.data(), chunk.codes.size(), 1));
  };
  contestant.decode = [decompressor](const Chunk& /*chunk*/, ByteView stored,
                                     std::span<int8_t> codes) {
    if (ZSTD_decompressDCtx(decompressor.get(), codes.data(), codes.size(),
                            stored.data(), stored.size()) != codes.size()) {
      Require(absl::InternalError("zstd failed"));
    }
  };
  return contestant;
}

void RunRound(const std::vector<Chunk>& chunks, std::vector<int8_t>* codes,
              Contestant* contestant) {
  ForceScalarKernels(contestant->targets == 0);
  hwy::SetSupportedTargetsForTest(contestant->targets);
  contestant->stored.resize(chunks.size());
  double start = CpuSeconds();
  for (size_t i = 0; i < chunks.size(); ++i) {
    contestant->stored[i].clear();
    contestant->encode(chunks[i], &contestant->stored[i]);
  }
  contestant->encode_seconds.push_back(CpuSeconds() - start);
  double decode_seconds = 0;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const std::span out = std::span(*codes).first(chunks[i].codes.size());
    start = CpuSeconds();
    contestant->decode(chunks[i], contestant->stored[i], out);
    decode_seconds += CpuSeconds() - start;
    if (!std::equal(out.begin(), out.end(), chunks[i].codes.begin())) {
      Require(absl::InternalError(contestant->name + ": wrong codes"));
    }
  }
  contestant->decode_seconds.push_back(decode_seconds);
  hwy::SetSupportedTargetsForTest(0);
  ForceScalarKernels(false);
}

void Print(const Contestant& contestant, double weights) {
  uint64_t bytes = 0;
  for (const ByteVector& stored : contestant.stored) {
    bytes += stored.size();
  }
  const auto least_and_median = [&](std::vector<double> seconds) {
    std::sort(seconds.begin(), seconds.end());
    std::printf(" %9.3f %7.3f", seconds.front() / weights * 1e9,
                seconds[seconds.size() / 2] / weights * 1e9);
  };
  std::printf("%-16s %10.4f", contestant.name.c_str(),
              static_cast<double>(bytes) * 8 / weights);
  least_and_median(contestant.encode_seconds);
  least_and_median(contestant.decode_seconds);
  std::printf("\n");
}

int Run(int argc, char** argv) {
  const WeightCast* cast = FindCast("bf16");
  const absl::StatusOr<std::vector<ModelTensor>> tensors =
      argc < 2 ? MadeUpTensors(4096, 4096, *cast)
               : ReadModelTensors(argv[1], cast);
  Require(tensors.status());
  std::vector<Chunk> chunks;
  for (const ModelTensor& tensor : *tensors) {
    AddTensor(tensor, &chunks);
  }
  if (chunks.empty()) {
    std::fprintf(stderr, "%s has no weights to quantize\n", argv[1]);
    return EXIT_FAILURE;
  }
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  std::vector<Contestant> contestants;
  contestants.push_back(MakeZstdAlone());
  for (const Int8CoderEntry* entry : Int8Coders()) {
    if (entry->coder == Int8Coder::kZstd) {
      contestants.push_back(MakeContestant(*entry, 0, ""));
      continue;
    }
    contestants.push_back(MakeContestant(*entry, 0, "scalar"));
    for (int64_t targets = hwy::SupportedTargets(); targets != 0;
         targets &= targets - 1) {
      const int64_t target = targets & -targets;
      contestants.push_back(
          MakeContestant(*entry, target, hwy::TargetName(target)));
    }
  }
  std::vector<int8_t> codes(kChunkWeights);
  for (int round = 0; round < rounds; ++round) {
    for (Contestant& contestant : contestants) {
      RunRound(chunks, &codes, &contestant);
    }
  }
  double weights = 0;
  for (const Chunk& chunk : chunks) {
    weights += static_cast<double>(chunk.codes.size());
  }
  std::printf("%.1f M codes; ns a code: least, median of %d\n", weights / 1e6,
              rounds);
  std::printf("%-16s %10s %17s %17s\n", "", "bits", "encode", "decode");
  for (const Contestant& contestant : contestants) {
    Print(contestant, weights);
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace qstore::codec

int main(int argc, char** argv) { return qstore::codec::Run(argc, argv); }
