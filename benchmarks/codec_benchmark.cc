// Size and speed of this codec and of others on the pairs of a model.
//
//   codec_benchmark [MODEL.safetensors] [--cast=FORMAT] [--int8=FILE]
//                   [--threads=N] [--rows=N] [--only=TEXT] [--benchmark_...]
//
// MODEL  its linear weights (benchmarks/model_tensors.h); made-up ones without
// --cast     bf16, f16, f32, f16-from-bf16, f32-from-bf16; without it the
//            file's own format, or bf16
// --int8     codes and scales are not ours, but those of this file
// --threads  for the measurements with several threads; all cores unless told
// --rows     of the made-up weights, 4096 columns; 4096 unless told
// --only     contestants whose name contains TEXT
//
// Measurements are named WHAT/CONTESTANT/TENSORS/THREADS. TENSORS: `model`; for
// this codec also the same weights as `one` large tensor and as `small` ones,
// or, with --int8, as the codec quantizes them by itself (`own`).
// Speeds are bytes of original weights (of codes for decode-int8) a second: of
// CPU time with one thread, of time that has passed with several. `percent` is
// everything stored, keys included, in percent of original and INT8 side by
// side. scripts/bench-codec.sh makes a table of it.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "benchmarks/contestant.h"
#include "benchmarks/entropy_floor.h"
#include "benchmarks/kernel_limit.h"
#include "benchmarks/model_tensors.h"
#include "benchmarks/pair_chunks.h"
#include "benchmarks/workload.h"

namespace qstore::codec {
namespace {

constexpr uint64_t kMadeUpColumns = 4096;
constexpr uint64_t kSmallTensorRows = 64;

struct Arguments {
  std::string model;
  const WeightCast* cast = nullptr;
  std::string int8;
  size_t threads = std::thread::hardware_concurrency();
  uint64_t rows = 4096;
  std::string only;
};

absl::StatusOr<Arguments> ParseArguments(int count, char** arguments) {
  Arguments parsed;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (!argument.starts_with("--")) {
      parsed.model = argument;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    const std::string value(equals == std::string_view::npos
                                ? std::string_view()
                                : argument.substr(equals + 1));
    bool good = !value.empty();
    if (name == "--cast") {
      parsed.cast = FindCast(value);
      good = parsed.cast != nullptr;
    } else if (name == "--int8") {
      parsed.int8 = value;
    } else if (name == "--threads") {
      good = absl::SimpleAtoi(value, &parsed.threads) && parsed.threads > 0;
    } else if (name == "--rows") {
      good = absl::SimpleAtoi(value, &parsed.rows) && parsed.rows > 0;
    } else if (name == "--only") {
      parsed.only = value;
    } else {
      good = false;
    }
    if (!good) {
      return absl::InvalidArgumentError(absl::StrCat(
          AbslView(argument), " is not understood; casts are ", CastNames()));
    }
  }
  return parsed;
}

absl::StatusOr<std::vector<ModelTensor>> LoadTensors(
    const Arguments& arguments) {
  if (arguments.model.empty()) {
    return MadeUpTensors(
        arguments.rows, kMadeUpColumns,
        arguments.cast == nullptr ? *FindCast("bf16") : *arguments.cast);
  }
  QSTORE_ASSIGN_OR_RETURN(std::vector<ModelTensor> tensors,
                          ReadModelTensors(arguments.model, arguments.cast));
  if (!arguments.int8.empty()) {
    QSTORE_RETURN_IF_ERROR(TakeGivenCodes(arguments.int8, &tensors));
  }
  if (tensors.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(arguments.model, " has no weights to quantize"));
  }
  return tensors;
}

// One measurement: what is done, by whom, how often a second.
struct Measurement {
  const char* what;
  absl::Status (Workload::*run)(size_t threads);
  uint64_t PairChunks::*bytes;
};
constexpr Measurement kMeasurements[] = {
    {"encode", &Workload::Encode, &PairChunks::weight_bytes},
    {"decode", &Workload::DecodeOriginal, &PairChunks::weight_bytes},
    {"decode-int8", &Workload::DecodeInt8, &PairChunks::weight_count},
};

void Measure(benchmark::State& state, const Measurement& measurement,
             KernelLimit limit, size_t threads, const PairChunks& pairs,
             Workload* workload) {
  const ScopedKernelLimit scope(limit);
  for (auto iteration : state) {
    const absl::Status status = (workload->*measurement.run)(threads);
    if (!status.ok()) {
      state.SkipWithError(status.ToString().c_str());
      return;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(pairs.*measurement.bytes) *
                          state.iterations());
  state.counters["ns_per_weight"] =
      benchmark::Counter(static_cast<double>(pairs.weight_count) * 1e-9,
                         benchmark::Counter::kIsIterationInvariantRate |
                             benchmark::Counter::kInvert);
  const auto stored = static_cast<double>(workload->StoredBytes());
  state.counters["percent"] =
      100 * stored / static_cast<double>(pairs.two_copies_bytes());
  state.counters["int8_bytes"] =
      static_cast<double>(workload->StoredInt8Bytes());
  state.counters["bits"] = 8 * stored / static_cast<double>(pairs.weight_count);
}

// Everything that is measured, kept alive until it has been.
class Contest {
 public:
  explicit Contest(const Arguments& arguments) : arguments_(arguments) {}

  // Encodes, so that each measurement can be run by itself, and registers.
  absl::Status Add(const PairChunks& pairs, const ContestantEntry& entry,
                   const char* tensors, KernelLimit limit) {
    const std::string name =
        limit == KernelLimit::kNone
            ? entry.name
            : absl::StrCat(entry.name, " ", AbslView(LimitedKernels(limit)));
    if (name.find(arguments_.only) == std::string::npos) {
      return absl::OkStatus();
    }
    Workload* workload = workloads_
                             .emplace_back(std::make_unique<Workload>(
                                 pairs, entry, arguments_.threads))
                             .get();
    QSTORE_RETURN_IF_ERROR(workload->Encode(1));
    QSTORE_RETURN_IF_ERROR(Annotate(workload->Check(), name));
    for (const Measurement& measurement : kMeasurements) {
      for (const size_t threads : {size_t{1}, arguments_.threads}) {
        Register(absl::StrCat(measurement.what, "/", name, "/", tensors, "/",
                              threads),
                 measurement, limit, threads, pairs, workload);
        if (arguments_.threads == 1) {
          break;
        }
      }
    }
    return absl::OkStatus();
  }

 private:
  static void Register(const std::string& name, const Measurement& measurement,
                       KernelLimit limit, size_t threads,
                       const PairChunks& pairs, Workload* workload) {
    benchmark::internal::Benchmark* registered = benchmark::RegisterBenchmark(
        name.c_str(), [&measurement, limit, threads, &pairs,
                       workload](benchmark::State& state) {
          Measure(state, measurement, limit, threads, pairs, workload);
        });
    registered->Unit(benchmark::kMillisecond);
    if (threads > 1) {
      registered->MeasureProcessCPUTime()->UseRealTime();
    }
  }

  const Arguments& arguments_;
  std::vector<std::unique_ptr<Workload>> workloads_;
};

absl::Status AddCodec(const PairChunks& pairs,
                      std::span<const std::pair<const char*, PairChunks>> cuts,
                      Contest* contest) {
  for (const ContestantEntry& entry : CodecContestants()) {
    for (const KernelLimit limit :
         {KernelLimit::kNone, KernelLimit::kAvx2, KernelLimit::kScalar}) {
      if (!LimitedKernels(limit).empty()) {
        QSTORE_RETURN_IF_ERROR(contest->Add(pairs, entry, "model", limit));
      }
    }
    for (const auto& [name, cut] : cuts) {
      QSTORE_RETURN_IF_ERROR(
          contest->Add(cut, entry, name, KernelLimit::kNone));
    }
  }
  return absl::OkStatus();
}

void AddContext(const PairChunks& pairs) {
  const auto add = [](const char* key, double value) {
    benchmark::AddCustomContext(key, absl::StrCat(value));
  };
  const EntropyFloor floor = ComputeEntropyFloor(pairs);
  add("weights", static_cast<double>(pairs.weight_count));
  add("two_copies_bytes", static_cast<double>(pairs.two_copies_bytes()));
  add("entropy_of_codes", floor.codes);
  add("entropy_of_differences", floor.differences);
  add("entropy_of_weights", floor.weights);
  add("entropy_percent", 100 * floor.total() *
                             static_cast<double>(pairs.weight_count) / 8 /
                             static_cast<double>(pairs.two_copies_bytes()));
  benchmark::AddCustomContext("kernels",
                              std::string(LimitedKernels(KernelLimit::kNone)));
}

absl::Status Run(const Arguments& arguments) {
  QSTORE_ASSIGN_OR_RETURN(const std::vector<ModelTensor> tensors,
                          LoadTensors(arguments));
  QSTORE_ASSIGN_OR_RETURN(const PairChunks pairs, CutIntoChunks(tensors));
  std::vector<ModelTensor> others;
  std::vector<std::pair<const char*, PairChunks>> cuts;
  if (arguments.int8.empty()) {
    others = JoinTensors(tensors);
    QSTORE_ASSIGN_OR_RETURN(PairChunks one, CutIntoChunks(others));
    QSTORE_ASSIGN_OR_RETURN(PairChunks small,
                            CutIntoChunks(tensors, kSmallTensorRows));
    cuts.emplace_back("one", std::move(one));
    cuts.emplace_back("small", std::move(small));
  } else {
    others = WithoutCodes(tensors);
    QSTORE_ASSIGN_OR_RETURN(PairChunks own, CutIntoChunks(others));
    cuts.emplace_back("own", std::move(own));
  }
  AddContext(pairs);
  Contest contest(arguments);
  QSTORE_RETURN_IF_ERROR(AddCodec(pairs, cuts, &contest));
  for (const ContestantEntry& entry : PeerContestants()) {
    QSTORE_RETURN_IF_ERROR(
        contest.Add(pairs, entry, "model", KernelLimit::kNone));
  }
  benchmark::RunSpecifiedBenchmarks();
  return absl::OkStatus();
}

}  // namespace
}  // namespace qstore::codec

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto arguments = qstore::codec::ParseArguments(argc, argv);
  const absl::Status status =
      arguments.ok() ? qstore::codec::Run(*arguments) : arguments.status();
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 1;
  }
  return 0;
}
