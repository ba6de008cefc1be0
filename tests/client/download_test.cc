#include "client/download.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_model.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_directory.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kPartBytes = 50;

// Two shards that share a tensor and a file that is there twice.
FakeModel MakeModel() {
  FakeModel model;
  const FakeTensor shared = MakeTensor("shared.weight", Dtype::kBF16, {4, 8},
                                       /*quantized=*/true);
  FakeTensor tied = shared;
  tied.name = "tied.weight";
  model.AddFile("config.json", R"({"model_type": "fake"})");
  model.AddFile("empty", "");
  model.AddSafetensors(
      "model-1.safetensors",
      {MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true),
       MakeTensor("a.bias", Dtype::kBF16, {7}, false), shared});
  model.AddSafetensors(
      "model-2.safetensors",
      {MakeTensor("emb.weight", Dtype::kF32, {6, 4}, false), tied,
       MakeTensor("half.weight", Dtype::kF16, {3, 40}, true)});
  model.AddFile("model.safetensors.index.json",
                R"({"metadata": {}, "weight_map": {
    "a.weight": "model-1.safetensors", "a.bias": "model-1.safetensors",
    "shared.weight": "model-1.safetensors", "emb.weight": "model-2.safetensors",
    "tied.weight": "model-2.safetensors",
    "half.weight": "model-2.safetensors"}})");
  model.AddFile("other/config.json", "not for us");
  model.AddFile("notes.txt", std::string(1000, 'n'));
  model.AddFile("sub/copy of notes.txt", std::string(1000, 'n'));
  return model;
}

class DownloadTest : public ::testing::Test {
 protected:
  void Serve(const FakeModel& model, v1::Precision precision) {
    server_.revision = model.Summary();
    server_.stream = model.Stream(precision, kPartBytes);
  }

  absl::StatusOr<DownloadResult> Fetch(const std::string& precision,
                                       const std::string& directory = "out") {
    DownloadOptions options;
    options.reference.model = "org/model";
    options.reference.tag = "latest";
    options.directory = directory_.path() / directory;
    options.precision = precision;
    options.threads = 2;
    options.memory_mib = 1;
    Progress progress(&stderr_, ProgressStyle::kHidden);
    const std::unique_ptr<Connection> connection = server_.Connect();
    return Download(options, /*connect_timeout_seconds=*/10, connection.get(),
                    &progress, &cancellation_);
  }

  // Serves a spoilt stream: it must fail with `code` and a message that has
  // `text`, and leave nothing.
  void ExpectFailure(v1::Precision precision,
                     const std::function<void(FakeServer*)>& spoil,
                     absl::StatusCode code, const std::string& text) {
    Serve(MakeModel(), precision);
    spoil(&server_);
    const auto result =
        Fetch(precision == v1::PRECISION_INT8 ? "int8" : "original");
    EXPECT_EQ(result.status().code(), code) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(text));
    EXPECT_TRUE(fs::is_empty(directory_.path()));
  }

  // Position of the nth message with a blob part.
  size_t PartIndex(size_t nth) {
    for (size_t i = 0; i < server_.stream.size(); ++i) {
      if (server_.stream[i].has_blob() && nth-- == 0) return i;
    }
    return 0;
  }

  // Edits the manifest that `checked` carries, with a checksum that fits.
  template <typename Manifest>
  static void Edit(v1::Checked* checked,
                   const std::function<void(Manifest*)>& edit) {
    Manifest manifest;
    ASSERT_TRUE(manifest.ParseFromString(checked->serialized()));
    edit(&manifest);
    SetChecked(manifest, checked);
  }
  static void EditRevision(
      FakeServer* server,
      const std::function<void(v1::RevisionManifest*)>& edit) {
    Edit<v1::RevisionManifest>(server->stream[0].mutable_revision(), edit);
  }
  // Of the first object of `kind`.
  static void EditObject(FakeServer* server, v1::ObjectKind kind,
                         const std::function<void(v1::ObjectManifest*)>& edit) {
    for (v1::DownloadResponse& message : server->stream) {
      if (!message.has_object()) continue;
      v1::ObjectManifest manifest;
      ASSERT_TRUE(manifest.ParseFromString(message.object().serialized()));
      if (manifest.kind() != kind) continue;
      edit(&manifest);
      SetChecked(manifest, message.mutable_object());
      return;
    }
    FAIL() << "no such object";
  }

  TemporaryDirectory directory_;
  FakeServer server_;
  Cancellation cancellation_;
  std::ostringstream stderr_;
};

TEST_F(DownloadTest, GivesTheOriginalBack) {
  const FakeModel model = MakeModel();
  Serve(model, v1::PRECISION_ORIGINAL);
  const auto result = Fetch("original");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
  EXPECT_EQ(result->file_count, model.contents().size());
  EXPECT_EQ(result->format, "");
  EXPECT_EQ(result->received.int8() + result->received.residual() +
                result->received.plain() + result->received.other(),
            result->bytes_received);
  EXPECT_GT(result->received.residual(), 0u);
  EXPECT_EQ(server_.download_request.reference().revision(),
            std::string(64, 'a'));
}

TEST_F(DownloadTest, WritesIntoAnExistingDirectory) {
  const FakeModel model = MakeModel();
  Serve(model, v1::PRECISION_ORIGINAL);
  directory_.Write("out/config.json", "old");
  directory_.Write("out/mine", "kept");
  ASSERT_TRUE(Fetch("original").ok());
  std::map<std::string, std::string> expected = model.contents();
  expected["mine"] = "kept";
  EXPECT_EQ(ReadTree(directory_.path() / "out"), expected);
}

TEST_F(DownloadTest, ExportsInt8) {
  const FakeModel model = MakeModel();
  Serve(model, v1::PRECISION_INT8);
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->format, "compressed-tensors");
  EXPECT_EQ(result->received.residual(), 0u);
  EXPECT_EQ(server_.download_request.precision(), v1::PRECISION_INT8);
  const auto files = ReadTree(directory_.path() / "out");
  for (const char* same :
       {"empty", "other/config.json", "notes.txt", "sub/copy of notes.txt"}) {
    EXPECT_EQ(files.at(same), model.contents().at(same)) << same;
  }
  const auto config = nlohmann::json::parse(files.at("config.json"));
  EXPECT_EQ(config["quantization_config"]["format"], "int-quantized");
  EXPECT_EQ(config["quantization_config"]["ignore"],
            nlohmann::json({"lm_head", "emb"}));
  const auto index =
      nlohmann::json::parse(files.at("model.safetensors.index.json"));
  EXPECT_EQ(index["weight_map"]["half.weight_scale"], "model-2.safetensors");

  std::map<std::string, std::string> tensors;
  uint64_t tensor_bytes = 0;
  for (const char* shard : {"model-1.safetensors", "model-2.safetensors"}) {
    const ByteView bytes = AsBytes(files.at(shard));
    const auto json_bytes = ParseSafetensorsLength(bytes, bytes.size());
    ASSERT_TRUE(json_bytes.ok()) << json_bytes.status();
    const ByteView tail = bytes.subspan(8 + *json_bytes);
    const auto header =
        ParseSafetensorsHeader(bytes.subspan(8, *json_bytes), tail.size());
    ASSERT_TRUE(header.ok()) << header.status();
    tensor_bytes += tail.size();
    for (const TensorEntry& entry : header->tensors) {
      tensors[entry.name] =
          AsStringView(tail.subspan(entry.begin_bytes, entry.size_bytes()));
    }
  }
  EXPECT_EQ(index["metadata"]["total_size"], tensor_bytes);
  ASSERT_EQ(tensors.size(), 10u);
  EXPECT_EQ(tensors["a.bias"],
            MakeTensor("a.bias", Dtype::kBF16, {7}, false).bytes);
  EXPECT_EQ(tensors["tied.weight"], tensors["shared.weight"]);
  EXPECT_EQ(tensors["tied.weight_scale"], tensors["shared.weight_scale"]);
  // Each weight is within half a step of code times scale.
  const std::string weights =
      MakeTensor("a.weight", Dtype::kBF16, {7, 5}, true).bytes;
  for (size_t i = 0; i < 35; ++i) {
    const auto code = static_cast<int8_t>(tensors["a.weight"][i]);
    const auto scale = LoadLittleEndian<float>(
        tensors["a.weight_scale"].data() + i / 5 * sizeof(float));
    const uint32_t bits =
        uint32_t{LoadLittleEndian<uint16_t>(weights.data() + 2 * i)} << 16;
    const auto weight = LoadLittleEndian<float>(&bits);
    EXPECT_NEAR(weight, static_cast<float>(code) * scale, 0.501 * scale);
  }
}

TEST_F(DownloadTest, Int8WithNothingQuantizedIsTheOriginal) {
  FakeModel model;
  model.AddFile("config.json", "{}");
  model.AddSafetensors("model.safetensors",
                       {MakeTensor("a.weight", Dtype::kF16, {4, 4}, false)});
  Serve(model, v1::PRECISION_INT8);
  const auto result = Fetch("int8");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->format, "");
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
}

TEST_F(DownloadTest, Int8WithoutAConfigIsSafetensorsOnly) {
  FakeModel model;
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true)});
  Serve(model, v1::PRECISION_INT8);
  ASSERT_TRUE(Fetch("int8").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "out").size(), 1u);
}

TEST_F(DownloadTest, TakesThePrecisionThatWasUploaded) {
  FakeModel model;
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF16, {4, 4}, true),
                        MakeTensor("n.weight", Dtype::kF32, {4}, false)});
  Serve(model, v1::PRECISION_ORIGINAL);
  const auto other = Fetch("bf16");
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()),
              HasSubstr("uploaded as F16"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
  ASSERT_TRUE(Fetch("fp16").ok());
  EXPECT_EQ(ReadTree(directory_.path() / "out"), model.contents());
}

TEST_F(DownloadTest, PassesTheServersErrorOn) {
  server_.status = grpc::Status(grpc::StatusCode::NOT_FOUND,
                                "model org/model is not stored");
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(result.status().message()),
              HasSubstr("model org/model is not stored"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(DownloadTest, AnErrorInTheMiddleLeavesNothing) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream.resize(server->stream.size() / 2);
        server->status =
            grpc::Status(grpc::StatusCode::DATA_LOSS, "tensor x is damaged");
      },
      absl::StatusCode::kDataLoss, "tensor x is damaged");
}

TEST_F(DownloadTest, AnErrorKeepsAnExistingDirectoryAsItWas) {
  Serve(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.resize(server_.stream.size() / 2);
  directory_.Write("out/config.json", "old");
  EXPECT_FALSE(Fetch("original").ok());
  EXPECT_EQ(ReadTree(directory_.path()),
            (std::map<std::string, std::string>{{"out/config.json", "old"}}));
}

TEST_F(DownloadTest, CancellationLeavesNothing) {
  Serve(MakeModel(), v1::PRECISION_ORIGINAL);
  server_.stream.resize(server_.stream.size() / 2);
  server_.hang_after_stream = true;
  auto canceller = std::async(std::launch::async, [this] {
    server_.WaitUntilStreamed();
    cancellation_.Cancel();
  });
  const auto result = Fetch("original");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// Damage on the way.

TEST_F(DownloadTest, NoticesADamagedPayload) {
  for (const v1::Precision precision :
       {v1::PRECISION_ORIGINAL, v1::PRECISION_INT8}) {
    ExpectFailure(
        precision,
        [](FakeServer* server) {
          for (v1::DownloadResponse& message : server->stream) {
            // The first object is config.json, the second the header.
            if (!message.has_blob() || message.blob().object_index() != 2) {
              continue;
            }
            (*message.mutable_blob()->mutable_payload())[0] ^= 0x10;
            return;
          }
        },
        absl::StatusCode::kDataLoss,
        "tensor \"a.weight\" of file \"model-1.safetensors\": chunk 0");
  }
}

TEST_F(DownloadTest, NoticesDecodedBytesThatAreNotTheOriginal) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        EditObject(server, v1::OBJECT_KIND_QUANTIZED,
                   [](v1::ObjectManifest* object) {
                     object->mutable_chunks(1)->set_raw_xxh3(1);
                   });
      },
      absl::StatusCode::kDataLoss, "chunk 1: the decoded bytes");
}

TEST_F(DownloadTest, NoticesWrongCodesAndScales) {
  ExpectFailure(
      v1::PRECISION_INT8,
      [](FakeServer* server) {
        EditObject(server, v1::OBJECT_KIND_QUANTIZED,
                   [](v1::ObjectManifest* object) {
                     object->mutable_chunks(0)->set_codes_xxh3(1);
                   });
      },
      absl::StatusCode::kDataLoss, "the decoded INT8 codes");
  ExpectFailure(
      v1::PRECISION_INT8,
      [](FakeServer* server) {
        EditObject(server, v1::OBJECT_KIND_QUANTIZED,
                   [](v1::ObjectManifest* object) {
                     object->mutable_chunks(0)->set_scales_xxh3(1);
                   });
      },
      absl::StatusCode::kDataLoss, "the decoded scales");
}

TEST_F(DownloadTest, NoticesBlobsThatCannotBeDecoded) {
  // Garbage with a checksum that fits.
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        std::string garbage;
        for (v1::DownloadResponse& message : server->stream) {
          if (!message.has_blob() || message.blob().object_index() != 2 ||
              message.blob().chunk_index() != 0 ||
              message.blob().blob_index() != 0) {
            continue;
          }
          std::string* payload = message.mutable_blob()->mutable_payload();
          payload->assign(payload->size(), '\xee');
          garbage += *payload;
        }
        EditObject(server, v1::OBJECT_KIND_QUANTIZED,
                   [&garbage](v1::ObjectManifest* object) {
                     object->mutable_chunks(0)->mutable_blobs(0)->set_xxh3(
                         Xxh3(AsBytes(garbage)));
                   });
      },
      absl::StatusCode::kDataLoss, "chunk 0");
}

TEST_F(DownloadTest, NoticesADamagedManifest) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream[0].mutable_revision()->mutable_serialized()->back() ^= 1;
      },
      absl::StatusCode::kDataLoss, "revision manifest");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream[1].mutable_object()->set_xxh3(0);
      },
      absl::StatusCode::kDataLoss, "object manifest");
}

// A server that breaks the rules.

TEST_F(DownloadTest, RefusesAnyOtherOrder) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [this](FakeServer* server) {
        std::swap(server->stream[PartIndex(5)], server->stream[PartIndex(6)]);
      },
      absl::StatusCode::kInternal, "was expected");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [this](FakeServer* server) {
        const size_t i = PartIndex(4);
        server->stream.insert(server->stream.begin() + static_cast<long>(i),
                              server->stream[i]);
      },
      absl::StatusCode::kInternal, "the server sent");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) { server->stream.erase(server->stream.begin()); },
      absl::StatusCode::kInternal, "did not begin");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) { server->stream[1] = server->stream[0]; },
      absl::StatusCode::kInternal, "second revision manifest");
}

TEST_F(DownloadTest, NoticesMissingParts) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [this](FakeServer* server) {
        server->stream.erase(server->stream.begin() +
                             static_cast<long>(PartIndex(5)));
      },
      absl::StatusCode::kInternal, "was expected");
  // The last blob: what follows is the end.
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream.erase(server->stream.end() - 2);
      },
      absl::StatusCode::kDataLoss, "left out");
}

TEST_F(DownloadTest, NoticesATruncatedStream) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) { server->stream.pop_back(); },
      absl::StatusCode::kDataLoss, "the download ended");
  ExpectFailure(
      v1::PRECISION_INT8, [](FakeServer* server) { server->stream.resize(1); },
      absl::StatusCode::kDataLoss, "the download ended");
}

TEST_F(DownloadTest, RefusesExtraBytes) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [this](FakeServer* server) {
        server->stream[PartIndex(0)].mutable_blob()->mutable_payload()->append(
            1000, 'x');
      },
      absl::StatusCode::kInternal, "were left");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream.push_back(server->stream.back());
      },
      absl::StatusCode::kInternal, "after the end");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [this](FakeServer* server) {
        server->stream[PartIndex(0)].mutable_blob()->clear_payload();
      },
      absl::StatusCode::kInternal, "the server sent 0 bytes");
}

TEST_F(DownloadTest, ChecksTheTotalsAtTheEnd) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream.back().mutable_end()->mutable_sent()->set_residual(1);
      },
      absl::StatusCode::kDataLoss, "residual 1,");
}

TEST_F(DownloadTest, RefusesPathsThatLeadOutside) {
  for (const char* path :
       {"../evil", "/etc/evil", "a/../../evil", "", "a//b", "."}) {
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [path](FakeServer* server) {
          EditRevision(server, [path](v1::RevisionManifest* manifest) {
            manifest->mutable_files(0)->set_path(path);
          });
        },
        absl::StatusCode::kInvalidArgument, "file path");
  }
}

TEST_F(DownloadTest, RefusesPathsThatMeet) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        EditRevision(server, [](v1::RevisionManifest* manifest) {
          manifest->mutable_files(0)->set_path("notes.txt");
        });
      },
      absl::StatusCode::kInternal, "twice");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        EditRevision(server, [](v1::RevisionManifest* manifest) {
          manifest->mutable_files(0)->set_path("sub");
        });
      },
      absl::StatusCode::kInternal, "both a file and a directory");
}

TEST_F(DownloadTest, RefusesRevisionManifestsThatDoNotAddUp) {
  const std::vector<std::function<void(v1::RevisionManifest*)>> edits = {
      [](v1::RevisionManifest* m) { m->set_object_count(1'000'000'000'000); },
      [](v1::RevisionManifest* m) { m->set_object_count(1); },
      [](v1::RevisionManifest* m) { m->set_revision("other"); },
      [](v1::RevisionManifest* m) {
        m->mutable_files(0)->set_size_bytes(UINT64_MAX);
      },
      [](v1::RevisionManifest* m) {
        m->mutable_files(0)->mutable_segments(0)->set_object_index(UINT64_MAX);
      },
      [](v1::RevisionManifest* m) {
        m->mutable_files(2)->mutable_segments(1)->set_raw_bytes(UINT64_MAX);
      },
      [](v1::RevisionManifest* m) {
        *m->mutable_files(0)->add_segments() = m->files(0).segments(0);
      }};
  for (const auto& edit : edits) {
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [&edit](FakeServer* server) { EditRevision(server, edit); },
        absl::StatusCode::kInternal, "the server");
  }
}

TEST_F(DownloadTest, RefusesObjectManifestsThatDoNotAddUp) {
  const std::vector<std::function<void(v1::ObjectManifest*)>> edits = {
      [](v1::ObjectManifest* m) { m->set_object_index(7); },
      [](v1::ObjectManifest* m) { m->set_raw_bytes(1); },
      [](v1::ObjectManifest* m) { m->set_shape(0, UINT64_MAX); },
      [](v1::ObjectManifest* m) { m->set_shape(1, 0); },
      [](v1::ObjectManifest* m) { m->add_shape(1); },
      [](v1::ObjectManifest* m) { m->set_dtype("F32"); },
      [](v1::ObjectManifest* m) { m->set_dtype("I8"); },
      [](v1::ObjectManifest* m) { m->set_scale_strategy(9); },
      [](v1::ObjectManifest* m) { m->set_group_size(4); },
      [](v1::ObjectManifest* m) { m->mutable_chunks()->RemoveLast(); },
      [](v1::ObjectManifest* m) { m->mutable_chunks(0)->set_rows(UINT32_MAX); },
      [](v1::ObjectManifest* m) {
        m->mutable_chunks(0)->set_raw_bytes(uint64_t{1} << 60);
      },
      [](v1::ObjectManifest* m) {
        m->mutable_chunks(0)->mutable_blobs(0)->set_size_bytes(uint64_t{1}
                                                               << 60);
      },
      [](v1::ObjectManifest* m) {
        m->mutable_chunks(0)->mutable_blobs(0)->set_size_bytes(0);
      },
      [](v1::ObjectManifest* m) {
        m->mutable_chunks(0)->mutable_blobs(0)->set_kind(v1::BLOB_KIND_PLAIN);
      },
      [](v1::ObjectManifest* m) { m->mutable_chunks(0)->clear_blobs(); },
      [](v1::ObjectManifest* m) {
        m->mutable_chunks(0)->mutable_blobs(1)->set_subgroup(256);
      }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [&](FakeServer* server) {
          EditObject(server, v1::OBJECT_KIND_QUANTIZED, edits[i]);
        },
        absl::StatusCode::kInternal, "the server contradicts itself");
  }
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        EditObject(server, v1::OBJECT_KIND_PLAIN, [](v1::ObjectManifest* m) {
          m->set_kind(static_cast<v1::ObjectKind>(9));
        });
      },
      absl::StatusCode::kUnimplemented, "unknown kind");
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        EditObject(server, v1::OBJECT_KIND_PLAIN,
                   [](v1::ObjectManifest* m) { m->set_dtype("Q7"); });
      },
      absl::StatusCode::kInvalidArgument, "Q7");
}

TEST_F(DownloadTest, TakesNoResidualUnderInt8) {
  Serve(MakeModel(), v1::PRECISION_INT8);
  server_.stream = MakeModel().Stream(v1::PRECISION_ORIGINAL, kPartBytes);
  const auto result = Fetch("int8");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(DownloadTest, RefusesInt8ThatGetRevisionDescribedOtherwise) {
  const std::vector<std::function<void(v1::GetRevisionResponse*)>> edits = {
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(0)->set_quantized(false);
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(0)->set_name("b.weight");
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors()->RemoveLast();
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(0)->set_shape(0, 5);
        r->mutable_files(2)->mutable_tensors(0)->set_shape(1, 7);
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(0)->set_shape(0, UINT64_MAX);
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(0)->set_scale_strategy(1);
      },
      [](v1::GetRevisionResponse* r) {
        r->mutable_files(2)->mutable_tensors(1)->set_quantized(true);
      },
      [](v1::GetRevisionResponse* r) { r->clear_files(); }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectFailure(
        v1::PRECISION_INT8,
        [&](FakeServer* server) { edits[i](&server->revision); },
        absl::StatusCode::kInternal, "the server contradicts itself");
  }
}

TEST_F(DownloadTest, AConfigThatCannotBeExtendedIsAnError) {
  FakeModel model;
  model.AddFile("config.json", "not JSON");
  model.AddSafetensors("m.safetensors",
                       {MakeTensor("a.weight", Dtype::kF32, {4, 4}, true)});
  Serve(model, v1::PRECISION_INT8);
  const auto result = Fetch("int8");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("config.json"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

}  // namespace
}  // namespace qstore::client
