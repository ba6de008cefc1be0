// Downloads from a server that is damaged or breaks the rules: each must end in
// an error that says what is wrong, and leave nothing behind. Manifests that
// cannot be true are in lying_manifest_test.cc.
#include "tests/client/download/lying_server.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "codec/chunk.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/object.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Damage on the way.

TEST_F(LyingServerTest, NoticesADamagedPayload) {
  for (const v1::Precision precision :
       {v1::PRECISION_ORIGINAL, v1::PRECISION_INT8}) {
    ExpectFailure(
        precision,
        [](Messages* stream) {
          (*ValueOf(kQuantizedObject, stream)->mutable_payload())[0] ^= 0x10;
        },
        absl::StatusCode::kDataLoss,
        "file \"model-1.safetensors\": tensor \"a.weight\": chunk 0: the "
        "stored bytes of layer 1 subgroup 0 value 0");
    // The header of an exported file is not left to the pool.
    ExpectFailure(
        precision,
        [](Messages* stream) {
          (*ValueOf(1, stream)->mutable_payload())[0] ^= 0x10;
        },
        absl::StatusCode::kDataLoss,
        "file \"model-1.safetensors\": chunk 0: the stored bytes of layer 3");
  }
}

// Each value of each layer of a chunk.
TEST_F(LyingServerTest, NoticesDamageInEveryValue) {
  const Messages sound = MakeModel().Stream(v1::PRECISION_ORIGINAL);
  for (size_t i = 0; i < sound.size(); ++i) {
    const v1::Value& value = sound[i].value();
    if (value.object_index() != kQuantizedObject || value.chunk_index() != 1) {
      continue;
    }
    SCOPED_TRACE(i);
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [i](Messages* stream) {
          (*stream)[i].mutable_value()->mutable_payload()->back() ^= 1;
        },
        absl::StatusCode::kDataLoss, "chunk 1: the stored bytes of layer");
  }
}

TEST_F(LyingServerTest, NoticesBlobsThatCannotBeDecoded) {
  // Garbage with a checksum that fits.
  for (const v1::Precision precision :
       {v1::PRECISION_ORIGINAL, v1::PRECISION_INT8}) {
    ExpectFailure(
        precision,
        [](Messages* stream) {
          std::string* payload =
              ValueOf(kQuantizedObject, stream)->mutable_payload();
          payload->assign(payload->size(), '\xee');
          EditPage(
              [&](v1::ManifestPage* page) {
                page->mutable_objects(kQuantizedObject)
                    ->mutable_chunks(0)
                    ->mutable_layers(0)
                    ->mutable_blobs(0)
                    ->set_value_xxh3(0, Xxh3(AsBytes(*payload)));
              },
              &stream->front());
        },
        absl::StatusCode::kDataLoss, "chunk 0: int8: ");
  }
}

TEST_F(LyingServerTest, RefusesValuesInAnyOtherOrder) {
  for (size_t nth = 0; nth < 60; nth += 3) {
    SCOPED_TRACE(nth);
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [nth](Messages* stream) {
          std::swap((*stream)[ValueIndex(*stream, nth)],
                    (*stream)[ValueIndex(*stream, nth + 1)]);
        },
        absl::StatusCode::kInternal, "was expected");
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [nth](Messages* stream) {
          const size_t i = ValueIndex(*stream, nth);
          const v1::DownloadResponse again = (*stream)[i];
          stream->insert(stream->begin() + static_cast<long>(i), again);
        },
        absl::StatusCode::kInternal, "was expected");
  }
}

TEST_F(LyingServerTest, RefusesValuesThatAreNotAnnounced) {
  const std::vector<std::function<void(v1::Value*)>> edits = {
      [](v1::Value* v) { v->set_object_index(UINT64_MAX); },
      [](v1::Value* v) { v->set_chunk_index(UINT32_MAX); },
      [](v1::Value* v) { v->set_layer(3); },
      // Would be that of layer 1, cut to a byte.
      [](v1::Value* v) { v->set_layer(257); },
      [](v1::Value* v) { v->set_subgroup(256); },
      [](v1::Value* v) { v->set_value_index(1 << 16); }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [&](Messages* stream) { edits[i](ValueOf(kQuantizedObject, stream)); },
        absl::StatusCode::kInternal, "was expected");
  }
}

TEST_F(LyingServerTest, NoticesMissingValues) {
  for (const size_t nth : {0u, 5u, 20u, 40u}) {
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [nth](Messages* stream) {
          stream->erase(stream->begin() +
                        static_cast<long>(ValueIndex(*stream, nth)));
        },
        absl::StatusCode::kInternal, "was expected");
  }
  // The last value: what follows is the end.
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->erase(stream->end() - 2); },
      absl::StatusCode::kDataLoss, "did not come whole");
}

TEST_F(LyingServerTest, NoticesATruncatedStream) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL, [](Messages* stream) { stream->pop_back(); },
      absl::StatusCode::kDataLoss, "the download ended");
  ExpectFailure(
      v1::PRECISION_INT8, [](Messages* stream) { stream->resize(1); },
      absl::StatusCode::kDataLoss, "the download ended");
  ExpectFailure(
      v1::PRECISION_INT8, [](Messages* stream) { stream->clear(); },
      absl::StatusCode::kDataLoss, "the download ended");
  ExpectFailureOf(
      ModelOfManyPages(), v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->resize(1); }, absl::StatusCode::kDataLoss,
      "the download ended before the last page");
}

TEST_F(LyingServerTest, RefusesExtraBytes) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        ValueOf(0, stream)->mutable_payload()->append(1000, 'x');
      },
      absl::StatusCode::kInternal, "the server sent 10");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { ValueOf(0, stream)->clear_payload(); },
      absl::StatusCode::kInternal, "the server sent 0 bytes");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->push_back(stream->back()); },
      absl::StatusCode::kInternal, "after the end");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        stream->insert(stream->end() - 1, *(stream->end() - 2));
      },
      absl::StatusCode::kInternal, "after all that was planned");
}

// Blobs of several values.
TEST_F(LyingServerTest, RefusesValuesOfAnotherSize) {
  FakeModel model(codec::kPlainChunkBytes);
  model.AddFile("weights.bin", NoiseOf(5 * model::kMaxValueBytes / 2));
  ASSERT_EQ(model.Stream(v1::PRECISION_ORIGINAL).size(), 1u + 3u + 1u);
  // The same bytes in two values instead of three.
  ExpectFailureOf(
      model, v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        (*stream)[1].mutable_value()->mutable_payload()->append(
            (*stream)[2].value().payload());
        stream->erase(stream->begin() + 2);
      },
      absl::StatusCode::kInternal, "the server sent 2097152 bytes");
  // In three, cut elsewhere.
  ExpectFailureOf(
      model, v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        std::string* first = (*stream)[1].mutable_value()->mutable_payload();
        std::string* second = (*stream)[2].mutable_value()->mutable_payload();
        second->insert(0, 1, first->back());
        first->pop_back();
      },
      absl::StatusCode::kInternal, "the server sent 1048575 bytes");
  ExpectFailureOf(
      model, v1::PRECISION_ORIGINAL,
      [](Messages* stream) { std::swap((*stream)[1], (*stream)[2]); },
      absl::StatusCode::kInternal, "value 0 was expected");
  // Each where it belongs, with the bytes of another.
  ExpectFailureOf(
      model, v1::PRECISION_ORIGINAL,
      [](Messages* stream) {
        (*stream)[1].mutable_value()->mutable_payload()->swap(
            *(*stream)[2].mutable_value()->mutable_payload());
      },
      absl::StatusCode::kDataLoss, "layer 3 subgroup 0 value 0");
}

TEST_F(LyingServerTest, ChecksTheTotalsAtTheEnd) {
  const auto expect_refused =
      [&](const std::function<void(v1::LayerBytes*)>& spoil,
          const std::string& text) {
        ExpectFailure(
            v1::PRECISION_ORIGINAL,
            [&](Messages* stream) {
              spoil(stream->back().mutable_end()->mutable_sent());
            },
            absl::StatusCode::kDataLoss, text);
      };
  expect_refused(
      [](v1::LayerBytes* sent) { sent->mutable_layers(1)->set_bytes(1); },
      "layer 2: 1, ");
  expect_refused([](v1::LayerBytes* sent) { sent->set_other(2); }, "other: 2,");
  expect_refused([](v1::LayerBytes* sent) { sent->mutable_layers()->Clear(); },
                 "but received were layer 1: ");
  expect_refused(
      [](v1::LayerBytes* sent) { sent->mutable_layers(0)->set_layer(300); },
      "unknown layers");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](Messages* stream) { stream->back().mutable_end()->clear_sent(); },
      absl::StatusCode::kDataLoss, "the server says that it sent");
}

TEST_F(LyingServerTest, TakesNoMoreLayersThanItAskedFor) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  const auto result = Fetch("int8");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("layer 1 subgroup 0 value 0 was expected"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(LyingServerTest, TakesNoFewerLayersThanItAskedFor) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_INT8);
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("layer 2"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(LyingServerTest, TakesNothingElseThanItSelected) {
  server_.ServeAlways(MakeModel(), v1::PRECISION_ORIGINAL);
  selection_.tensors = {{.pattern = "half.weight", .rows = std::nullopt}};
  const auto all = Fetch("original");
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(all.status().message()), HasSubstr("was expected"));
  v1::DownloadRequest request;
  request.set_precision(v1::PRECISION_ORIGINAL);
  request.mutable_selection()->add_files("notes.txt");
  server_.stream = MakeModel().Answer(request).value();
  EXPECT_EQ(Fetch("original").status().code(), absl::StatusCode::kInternal);
  selection_ = {};
  EXPECT_EQ(Fetch("original").status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// What a file's header says of its tensors is what the manifest says of them.
// What the client has must not come again.
TEST_F(LyingServerTest, TakesNothingThatItHolds) {
  const FakeModel model = MakeModel();
  server_.Serve(model);
  server_.download_message_limit = 40;
  server_.status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut");
  EXPECT_FALSE(Fetch("original").ok());
  server_.download_message_limit = SIZE_MAX;
  server_.status = grpc::Status::OK;
  server_.ServeAlways(model, v1::PRECISION_ORIGINAL);
  const auto result = Fetch("original");
  // It begins anew then, without what it had, and that is what it gets.
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(events_.notes(),
              ::testing::Contains(HasSubstr("not using what was there")));
  EXPECT_FALSE(server_.download_request.held().objects_size() > 0 ||
               server_.download_request.held().chunks_size() > 0);
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
}

}  // namespace
}  // namespace qstore::client
