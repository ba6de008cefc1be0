#include "benchmarks/serve/download_bench.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status.h"
#include "benchmarks/serve/cpu_clock.h"
#include "client/cancellation.h"
#include "client/connection.h"
#include "client/download/download_stream.h"
#include "client/manifest_query.h"
#include "client/session.h"
#include "client/sinks/null_sink.h"
#include "model/names.h"
#include "qstore/v1/model_store.pb.h"

namespace qstore {
namespace {

// How the precisions of this benchmark stand in a request.
absl::StatusOr<v1::Precision> PrecisionOf(const std::string& name) {
  if (name == "original") return v1::PRECISION_ORIGINAL;
  if (name == "int8") return v1::PRECISION_INT8;
  return absl::InvalidArgumentError(
      absl::StrCat("no precision is called ", name, ": original or int8"));
}

absl::StatusOr<uint64_t> Drain(const DownloadBench& bench) {
  client::Connection connection(bench.server);
  QSTORE_RETURN_IF_ERROR(connection.Connect(/*timeout_seconds=*/10));
  v1::DownloadRequest request;
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          ParseModelReference(bench.reference));
  client::ToProto(reference, request.mutable_reference());
  QSTORE_ASSIGN_OR_RETURN(const v1::Precision precision,
                          PrecisionOf(bench.precision));
  request.set_precision(precision);
  client::Cancellation cancellation;
  uint64_t bytes = 0;
  for (uint32_t round = 0; round < bench.rounds; ++round) {
    client::DownloadStream stream(&connection, request, &cancellation);
    client::DownloadEvent event;
    while (true) {
      QSTORE_ASSIGN_OR_RETURN(const bool more, stream.Next(&event));
      if (!more) break;
      bytes += event.message_bytes;
    }
  }
  return bytes;
}

absl::StatusOr<uint64_t> Load(const DownloadBench& bench) {
  client::Session session({.server = bench.server});
  QSTORE_ASSIGN_OR_RETURN(const ModelReference reference,
                          ParseModelReference(bench.reference));
  client::DownloadOptions options;
  options.precision = bench.precision;
  uint64_t bytes = 0;
  for (uint32_t round = 0; round < bench.rounds; ++round) {
    client::NullSink sink;
    QSTORE_ASSIGN_OR_RETURN(const client::DownloadResult result,
                            session.Download(reference, options, &sink));
    bytes += result.transfer.bytes_received;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<BenchResult> RunDownloads(const DownloadBench& bench) {
  std::vector<absl::StatusOr<uint64_t>> answers(bench.streams, 0);
  std::vector<std::thread> threads;
  threads.reserve(bench.streams);
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = ProcessCpuSeconds();
  for (uint32_t i = 0; i < bench.streams; ++i) {
    threads.emplace_back([&bench, &answer = answers[i]] {
      answer = bench.decode ? Load(bench) : Drain(bench);
    });
  }
  for (std::thread& thread : threads) thread.join();
  BenchResult result;
  result.cpu_seconds = ProcessCpuSeconds() - cpu_begin;
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  for (const absl::StatusOr<uint64_t>& answer : answers) {
    QSTORE_RETURN_IF_ERROR(answer.status());
    result.bytes += *answer;
  }
  return result;
}

}  // namespace qstore
