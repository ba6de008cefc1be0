#include "tests/client/c/fake_store.h"

#include <cstdlib>
#include <memory>
#include <string>

#include "codec/chunk_codec.h"
#include "codec/plain/plain_codec.h"
#include "tests/client/fake_model.h"
#include "tests/client/fake_server.h"

namespace qstore::client {
namespace {

FakeModel MakeFakeModel() {
  FakeModel model;
  model.AddFile("copy.txt", std::string(3000, 'n'));
  model.AddFile("empty", "");
  model.AddSafetensors("model.safetensors",
                       {MakeTensor("a.bias", Dtype::kF32, {7}, false),
                        MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true)});
  model.AddFile("notes.txt", std::string(3000, 'n'));
  return model;
}

struct FakeStore {
  FakeModel model = MakeFakeModel();
  FakeServer server;
};

std::unique_ptr<FakeStore>& Store() {
  static std::unique_ptr<FakeStore> store;
  return store;
}

void Serve() {
  FakeServer& server = Store()->server;
  server.Serve(Store()->model);
  server.hang_after_stream = false;
  server.download_message_limit = SIZE_MAX;
  server.models.Clear();
  v1::ModelSummary* model = server.models.add_models();
  model->set_name("org/model");
  model->add_revisions(std::string(64, 'a'));
}

struct FakeChunk {
  std::string weights;
  codec::EncodedChunk encoded;
  ByteVector plain;
  fake_chunk view = {};
};

// The fixed model has no error that could be told; a test would fail at once.
void Require(const absl::Status& status) {
  if (!status.ok()) std::abort();
}

std::unique_ptr<FakeChunk> MakeChunk() {
  auto chunk = std::make_unique<FakeChunk>();
  constexpr uint32_t kRows = 32;
  constexpr uint32_t kColumns = 48;
  chunk->weights = MakeTensor("w", Dtype::kBF16, {kRows, kColumns}, true).bytes;
  const ByteView weights = AsBytes(chunk->weights);
  const codec::ChunkShape shape{.format = codec::FloatFormat::kBF16,
                                .rows = kRows,
                                .columns = kColumns,
                                .strategy = codec::ScaleStrategy::kChannel};
  codec::ChunkEncoder encoder({});
  Require(encoder.Encode(shape, weights, &chunk->encoded));
  codec::PlainCodec plain;
  Require(plain.Encode(codec::PlainLayout::kBFloat16, weights, &chunk->plain));
  fake_chunk& view = chunk->view;
  view.rows = kRows;
  view.columns = kColumns;
  view.weights = weights.data();
  view.weights_bytes = weights.size();
  view.int8_blob = chunk->encoded.int8_blob.data();
  view.int8_bytes = chunk->encoded.int8_blob.size();
  view.residual_count = chunk->encoded.residual.size();
  if (view.residual_count > std::size(view.residual)) std::abort();
  for (size_t i = 0; i < view.residual_count; ++i) {
    view.residual[i] = chunk->encoded.residual[i].bytes.data();
    view.residual_bytes[i] = chunk->encoded.residual[i].bytes.size();
    view.subgroups[i] = chunk->encoded.residual[i].subgroup;
  }
  view.plain_blob = chunk->plain.data();
  view.plain_bytes = chunk->plain.size();
  return chunk;
}

}  // namespace
}  // namespace qstore::client

// NOLINTBEGIN(readability-identifier-naming): C's names.

const char* fake_store_start(void) {
  qstore::client::Store() = std::make_unique<qstore::client::FakeStore>();
  fake_store_serve();
  return qstore::client::Store()->server.address().c_str();
}

void fake_store_stop(void) { qstore::client::Store() = nullptr; }

void fake_store_hang(void) {
  qstore::client::FakeServer& server = qstore::client::Store()->server;
  server.hang_after_stream = true;
  server.download_message_limit = 3;
}

void fake_store_serve(void) { qstore::client::Serve(); }

void fake_store_fail(int code, const char* message) {
  qstore::client::FakeServer& server = qstore::client::Store()->server;
  server.status = grpc::Status(static_cast<grpc::StatusCode>(code), message);
  if (code != 0) {
    server.revision_pages.clear();
  } else {
    fake_store_serve();
  }
}

const char* fake_store_file(const char* path, size_t* size_bytes) {
  const auto& contents = qstore::client::Store()->model.contents();
  const auto found = contents.find(path);
  if (found == contents.end()) return nullptr;
  *size_bytes = found->second.size();
  return found->second.data();
}

const fake_chunk* fake_chunk_make(void) {
  static const std::unique_ptr<qstore::client::FakeChunk> chunk =
      qstore::client::MakeChunk();
  return &chunk->view;
}

// NOLINTEND(readability-identifier-naming)
