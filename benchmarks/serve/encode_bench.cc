#include "benchmarks/serve/encode_bench.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

#include "base/status.h"
#include "benchmarks/serve/cpu_clock.h"
#include "benchmarks/tensor_file.h"
#include "server/codec_set.h"
#include "server/upload/chunk_work.h"
#include "server/upload/object_plan.h"
#include "server/upload/quantization_policy.h"

namespace qstore {
namespace {

absl::Status EncodeTensor(const std::shared_ptr<const server::ObjectPlan>& plan,
                          ByteView content, bool verify,
                          server::CodecSet& codecs) {
  for (uint32_t i = 0; i < plan->chunk_count(); ++i) {
    const uint64_t begin = i * plan->chunk_raw_bytes;
    const ByteView raw = content.subspan(
        begin,
        std::min<uint64_t>(plan->chunk_raw_bytes, content.size() - begin));
    server::ChunkWork work;
    work.plan = plan;
    work.chunk_index = i;
    work.raw.assign(raw.begin(), raw.end());
    QSTORE_RETURN_IF_ERROR(server::EncodeChunk(verify, codecs, &work));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BenchResult> EncodeFile(const std::string& path, bool verify) {
  QSTORE_ASSIGN_OR_RETURN(const codec::TensorFile file,
                          codec::TensorFile::Read(path));
  QSTORE_ASSIGN_OR_RETURN(const server::QuantizationPolicy policy,
                          server::QuantizationPolicy::Create({}));
  QSTORE_ASSIGN_OR_RETURN(const std::vector<bool> quantized,
                          policy.Select(file.tensors(), nullptr));
  server::CodecSet codecs;
  BenchResult result;
  const auto begin = std::chrono::steady_clock::now();
  const double cpu_begin = ProcessCpuSeconds();
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorEntry& tensor = file.tensors()[i];
    const auto plan = std::make_shared<const server::ObjectPlan>(
        quantized[i]
            ? server::PlanQuantizedTensor(tensor.name, tensor,
                                          *policy.quantizer(), policy.coder())
            : server::PlanPlainTensor(tensor.name, tensor));
    QSTORE_RETURN_IF_ERROR(
        EncodeTensor(plan, file.Content(tensor), verify, codecs));
    result.bytes += tensor.size_bytes();
  }
  result.cpu_seconds = ProcessCpuSeconds() - cpu_begin;
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  return result;
}

}  // namespace qstore
