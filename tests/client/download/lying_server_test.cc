// Downloads from a server that is damaged or breaks the rules: each must end in
// an error that says what is wrong, and leave nothing behind.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/download/download_fixture.h"

namespace qstore::client {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class LyingServerTest : public DownloadTest {
 protected:
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
};

// Damage on the way.

TEST_F(LyingServerTest, NoticesADamagedPayload) {
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

TEST_F(LyingServerTest, NoticesDecodedBytesThatAreNotTheOriginal) {
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

TEST_F(LyingServerTest, NoticesWrongCodesAndScales) {
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

TEST_F(LyingServerTest, NoticesBlobsThatCannotBeDecoded) {
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

TEST_F(LyingServerTest, NoticesADamagedManifest) {
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

TEST_F(LyingServerTest, RefusesAnyOtherOrder) {
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

TEST_F(LyingServerTest, NoticesMissingParts) {
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

TEST_F(LyingServerTest, NoticesATruncatedStream) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) { server->stream.pop_back(); },
      absl::StatusCode::kDataLoss, "the download ended");
  ExpectFailure(
      v1::PRECISION_INT8, [](FakeServer* server) { server->stream.resize(1); },
      absl::StatusCode::kDataLoss, "the download ended");
}

TEST_F(LyingServerTest, RefusesExtraBytes) {
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

TEST_F(LyingServerTest, ChecksTheTotalsAtTheEnd) {
  ExpectFailure(
      v1::PRECISION_ORIGINAL,
      [](FakeServer* server) {
        server->stream.back().mutable_end()->mutable_sent()->set_residual(1);
      },
      absl::StatusCode::kDataLoss, "residual 1,");
}

TEST_F(LyingServerTest, RefusesPathsThatLeadOutside) {
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

TEST_F(LyingServerTest, RefusesPathsOfItsOwnFiles) {
  for (const char* path : {".qstore-journal", ".x.qstore-partial-1/a"}) {
    ExpectFailure(
        v1::PRECISION_ORIGINAL,
        [path](FakeServer* server) {
          EditRevision(server, [path](v1::RevisionManifest* manifest) {
            manifest->mutable_files(0)->set_path(path);
          });
        },
        absl::StatusCode::kFailedPrecondition, "qstore-client keeps");
  }
}

TEST_F(LyingServerTest, RefusesPathsThatMeet) {
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

TEST_F(LyingServerTest, RefusesRevisionManifestsThatDoNotAddUp) {
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

TEST_F(LyingServerTest, RefusesObjectManifestsThatDoNotAddUp) {
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

TEST_F(LyingServerTest, TakesNoResidualUnderInt8) {
  Serve(MakeModel(), v1::PRECISION_INT8);
  server_.stream = MakeModel().Stream(v1::PRECISION_ORIGINAL, kPartBytes);
  const auto result = Fetch("int8");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

TEST_F(LyingServerTest, RefusesInt8ThatGetRevisionDescribedOtherwise) {
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
      }};
  for (size_t i = 0; i < edits.size(); ++i) {
    SCOPED_TRACE(i);
    ExpectFailure(
        v1::PRECISION_INT8,
        [&](FakeServer* server) { edits[i](&server->revision); },
        absl::StatusCode::kInternal, "the server contradicts itself");
  }
  // What is said to have no INT8 is not asked for.
  ExpectFailure(
      v1::PRECISION_INT8,
      [](FakeServer* server) { server->revision.clear_files(); },
      absl::StatusCode::kFailedPrecondition, "has no INT8");
}

}  // namespace
}  // namespace qstore::client
