#include "cli/commands.h"

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "base/error_reason.h"
#include "base/text/printable.h"
#include "client/rpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/client/error_details.h"
#include "tests/client/fake_model.h"
#include "tests/client/fake_server.h"
#include "tests/client/temporary_directory.h"

namespace qstore::cli {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CommandsTest : public ::testing::Test {
 protected:
  int Run(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    arguments.insert(arguments.begin(), {"qstore-client", "--retry-for=0"});
    std::vector<const char*> pointers;
    pointers.reserve(arguments.size());
    for (const std::string& argument : arguments) {
      pointers.push_back(argument.c_str());
    }
    const ParsedCommandLine parsed =
        ParseCommandLine(static_cast<int>(pointers.size()), pointers.data());
    EXPECT_TRUE(parsed.command_line.has_value()) << parsed.error;
    client::Cancellation cancellation;
    client::Session session(parsed.command_line->session, server_.Connect());
    return RunCommand(*parsed.command_line, &session, &cancellation,
                      {.out = &out_, .err = &err_});
  }

  json Output() {
    json document = json::parse(out_.str(), nullptr, false);
    EXPECT_FALSE(document.is_discarded()) << out_.str();
    return document;
  }

  void ServeModel() {
    client::FakeModel model;
    model.AddFile("config.json", "{}");
    model.AddSafetensors(
        "model.safetensors",
        {client::MakeTensor("a.weight", Dtype::kBF16, {16, 16}, true),
         client::MakeTensor("a.bias", Dtype::kBF16, {16}, false)});
    server_.Serve(model);
  }

  client::TemporaryDirectory directory_;
  client::FakeServer server_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(CommandsTest, Show) {
  ServeModel();
  ASSERT_EQ(Run({"--json", "show", "org/model"}), kExitOk);
  const json shown = Output();
  EXPECT_EQ(shown["revision"], std::string(64, 'a'));
  EXPECT_EQ(shown["tags"], json({"latest"}));
  const json& stored = shown["stored_bytes"];
  for (const char* kind : {"int8", "residual", "plain", "other"}) {
    EXPECT_GT(stored[kind], 0) << kind;
  }
  EXPECT_GT(shown["two_copies_bytes"], 0);
  ASSERT_EQ(shown["tensors"].size(), 2u);
  const json& tensor = shown["tensors"][0];
  EXPECT_EQ(tensor["name"], "a.weight");
  EXPECT_EQ(tensor["dtype"], "BF16");
  EXPECT_EQ(tensor["shape"], json({16, 16}));
  EXPECT_EQ(tensor["quantized"], true);
  EXPECT_EQ(tensor["int8_bytes"], stored["int8"]);
  EXPECT_EQ(tensor["residual_bytes"], stored["residual"]);
  EXPECT_EQ(tensor["plain_bytes"], 0);
  EXPECT_EQ(tensor["raw_bytes"], 512);
  EXPECT_EQ(tensor["two_copies_bytes"], 768);
  EXPECT_EQ(shown["tensors"][1]["plain_bytes"], stored["plain"]);
  EXPECT_EQ(shown["tensors"][1]["two_copies_bytes"], 64);
}

TEST_F(CommandsTest, ShowForPeople) {
  ServeModel();
  ASSERT_EQ(Run({"show", "org/model"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("2 files, 2 tensors, "));
  EXPECT_THAT(out_.str(), ::testing::Not(HasSubstr("16x16")));
  ASSERT_EQ(Run({"show", "org/model", "--files"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("model.safetensors"));
  ASSERT_EQ(Run({"show", "org/model", "--tensors"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("org/model revision aaaaaaaaaaaa,"));
  EXPECT_THAT(out_.str(), HasSubstr("16x16"));
  EXPECT_THAT(out_.str(), HasSubstr("of two copies"));
  std::istringstream lines(out_.str());
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 120u) << line;
  }
}

TEST_F(CommandsTest, Download) {
  ServeModel();
  const std::string target = (directory_.path() / "out").native();
  ASSERT_EQ(
      Run({"--json", "download", "org/model", target, "--precision", "int8"}),
      kExitOk);
  const json result = Output();
  EXPECT_EQ(result["revision"], std::string(64, 'a'));
  EXPECT_EQ(result["precision"], "int8");
  EXPECT_EQ(result["format"], "compressed-tensors");
  EXPECT_EQ(result["received_bytes"]["residual"], 0);
  EXPECT_GT(result["received_bytes"]["int8"], 0);
  uint64_t sum_bytes = 0;
  for (const char* kind : {"int8", "residual", "plain", "other"}) {
    sum_bytes += result["received_bytes"][kind].get<uint64_t>();
  }
  EXPECT_EQ(result["bytes_received"], sum_bytes);
  EXPECT_GT(result["bytes_sent"], 0);
  EXPECT_GE(result["seconds"], 0);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(CommandsTest, Upload) {
  directory_.Write("config.json", R"({"quantization_config": {}})");
  directory_.Write("model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  server_.upload_response.set_model("org/model");
  server_.upload_response.set_tag("latest");
  server_.upload_response.set_revision(std::string(64, 'b'));
  server_.upload_response.set_created(true);
  server_.upload_response.set_received_bytes(37);
  server_.upload_response.mutable_stored()->set_other(40);
  server_.upload_response.set_two_copies_bytes(54);
  ASSERT_EQ(Run({"upload", directory_.path().native(), "org/model", "--json"}),
            kExitOk);
  const json result = Output();
  EXPECT_EQ(result["revision"], std::string(64, 'b'));
  EXPECT_EQ(result["created"], true);
  EXPECT_EQ(result["quantizer"], "none");
  EXPECT_EQ(result["stored_bytes"]["other"], 40);
  EXPECT_EQ(result["two_copies_bytes"], 54);
  EXPECT_GT(result["bytes_sent"], 37);
  EXPECT_GT(result["bytes_received"], 0);
  EXPECT_EQ(result["received_bytes"]["int8"], 0);
  EXPECT_EQ(result["received_bytes"]["other"], result["bytes_received"]);
  // The person is told, but not on stdout.
  EXPECT_THAT(err_.str(), HasSubstr("quantized already"));
}

TEST_F(CommandsTest, List) {
  v1::ModelSummary* model = server_.models.add_models();
  model->set_name("org/model");
  model->add_revisions("bbbb00000000000000");
  model->add_revisions("aaaa00000000000000");
  v1::TagSummary* tag = model->add_tags();
  tag->set_name("prod");
  tag->set_revision("aaaa00000000000000");
  ASSERT_EQ(Run({"list", "org/", "--json"}), kExitOk);
  EXPECT_EQ(server_.list_request.prefix(), "org/");
  EXPECT_EQ(Output(), json::parse(R"({"models": [{"name": "org/model",
      "tags": {"prod": "aaaa00000000000000"},
      "revisions": ["bbbb00000000000000", "aaaa00000000000000"]}]})"));
  ASSERT_EQ(Run({"list"}), kExitOk);
  // The fake server knows nothing of them.
  EXPECT_EQ(out_.str(),
            "model      revision      tags\n"
            "org/model  bbbb00000000\n"
            "org/model  aaaa00000000  prod\n");
  client::FakeModel sizes;
  sizes.AddFile("notes.txt", std::string(2000, 'n'));
  server_.models.mutable_models(0)->add_revisions(std::string(64, 'a'));
  server_.Serve(sizes);
  ASSERT_EQ(Run({"list"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("size"));
  EXPECT_THAT(out_.str(), HasSubstr("2.00 kB"));
  EXPECT_THAT(out_.str(), HasSubstr(" UTC"));
  EXPECT_THAT(out_.str(), HasSubstr("?"));
  ASSERT_EQ(Run({"list", "--long", "--json"}), kExitOk);
  EXPECT_EQ(Output()["models"][0]["revision_details"][0]["original_bytes"],
            2000);
  server_.models.clear_models();
  ASSERT_EQ(Run({"list"}), kExitOk);
  EXPECT_EQ(out_.str(), "no models\n");
  ASSERT_EQ(Run({"list", "org/*"}), kExitOk);
  EXPECT_THAT(err_.str(), HasSubstr("no pattern"));
}

TEST_F(CommandsTest, Tag) {
  server_.set_tag_response.set_revision("aaaa00000000000000");
  ASSERT_EQ(Run({"tag", "org/model@aaaa00", "prod", "--json"}), kExitOk);
  EXPECT_EQ(server_.set_tag_request.reference().revision(), "aaaa00");
  EXPECT_EQ(server_.set_tag_request.tag(), "prod");
  EXPECT_EQ(Output(), json::parse(R"({"model": "org/model", "tag": "prod",
      "revision": "aaaa00000000000000"})"));
  ASSERT_EQ(Run({"tag", "org/model:old", "prod"}), kExitOk);
  EXPECT_EQ(server_.set_tag_request.reference().tag(), "old");
  EXPECT_EQ(out_.str(), "tagged org/model:prod = revision aaaa00000000\n");
}

TEST_F(CommandsTest, Delete) {
  server_.delete_response.set_revision("aaaa00000000000000");
  server_.delete_response.add_removed_tags("latest");
  server_.delete_response.set_revision_deleted(true);
  server_.delete_response.set_reclaimed_bytes(1'500'000);
  server_.delete_response.set_stored_bytes(2'000'000);
  ASSERT_EQ(Run({"delete", "org/model", "--json"}), kExitOk);
  EXPECT_EQ(server_.delete_request.reference().tag(), "latest");
  EXPECT_EQ(Output(), json::parse(R"({"revision": "aaaa00000000000000",
      "removed_tags": ["latest"], "revision_deleted": true,
      "reclaimed_bytes": 1500000, "stored_bytes": 2000000})"));
  ASSERT_EQ(Run({"delete", "org/model"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("1.50 MB freed; 500 kB of it is used by"));
  server_.delete_response.set_revision_deleted(false);
  ASSERT_EQ(Run({"delete", "org/model"}), kExitOk);
  EXPECT_THAT(out_.str(), HasSubstr("stays"));
}

TEST_F(CommandsTest, Verify) {
  v1::VerifyResponse progress;
  progress.set_total_objects(3);
  v1::VerifyResponse done = progress;
  done.set_checked_objects(3);
  done.set_checked_bytes(1000);
  done.set_revision("aaaa00000000000000");
  done.set_done(true);
  server_.verify_stream = {progress, done};
  ASSERT_EQ(Run({"verify", "org/model", "--json"}), kExitOk);
  EXPECT_EQ(Output(), json::parse(R"({"revision": "aaaa00000000000000",
      "ok": true, "checked_objects": 3, "total_objects": 3,
      "checked_bytes": 1000, "problems": []})"));

  server_.verify_stream[1].add_problems("tensor x: chunk 1 is damaged");
  ASSERT_EQ(Run({"verify", "org/model", "--json"}), kExitFailure);
  EXPECT_EQ(Output()["ok"], false);
  EXPECT_EQ(Output()["error"]["code"], "DATA_LOSS");
  EXPECT_THAT(err_.str(), HasSubstr("tensor x: chunk 1 is damaged"));
  ASSERT_EQ(Run({"verify", "org/model"}), kExitFailure);
  EXPECT_THAT(out_.str(), HasSubstr("1 problem\n"));

  server_.verify_stream.pop_back();
  EXPECT_EQ(Run({"verify", "org/model"}), kExitFailure);
  EXPECT_THAT(err_.str(), HasSubstr("before it was done"));
}

// Whatever a server says, a terminal does not obey it.
TEST_F(CommandsTest, NothingThatTheServerSaysSteersTheTerminal) {
  // Of a revision the first twelve bytes are shown.
  const std::string hostile = "x\u202e\x1b]0;PWNED\x07\n\u009b31m";
  v1::ModelSummary* model = server_.models.add_models();
  model->set_name(hostile);
  model->add_revisions(hostile);
  v1::TagSummary* tag = model->add_tags();
  tag->set_name(hostile);
  tag->set_revision(hostile);
  server_.set_tag_response.set_revision(hostile);
  server_.delete_response.set_revision(hostile);
  server_.delete_response.add_removed_tags(hostile);
  v1::VerifyResponse verified;
  verified.set_done(true);
  verified.set_revision(hostile);
  verified.add_problems(hostile);
  server_.verify_stream = {verified};
  client::FakeModel shown;
  shown.AddSafetensors("model.safetensors",
                       {client::MakeTensor("a\u009b31m\u202e.weight",
                                           Dtype::kBF16, {16, 16}, true)});
  server_.Serve(shown);
  directory_.Write("config.json", "{}");
  server_.upload_response.set_model(hostile);
  server_.upload_response.set_tag(hostile);
  server_.upload_response.set_revision(hostile);
  server_.upload_response.set_received_bytes(2);
  const std::string source = directory_.path().native();
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"list"},
        {"tag", "org/model", "x"},
        {"delete", "org/model"},
        {"verify", "org/model"},
        {"show", "org/model", "--tensors"},
        {"upload", source, "org/model"}}) {
    for (const bool as_json : {false, true}) {
      std::vector<std::string> arguments = command;
      if (as_json) arguments.emplace_back("--json");
      SCOPED_TRACE(command[0] + (as_json ? " --json" : ""));
      Run(arguments);
      EXPECT_EQ(out_.str(), PrintableLines(out_.str()));
      EXPECT_EQ(err_.str(), PrintableLines(err_.str()));
      EXPECT_THAT(out_.str(), ::testing::AnyOf(HasSubstr("1b]0;PWNED"),
                                               HasSubstr("\\u202e")));
      if (as_json) Output();
    }
  }
  server_.status = grpc::Status(grpc::StatusCode::NOT_FOUND, hostile);
  Run({"delete", "org/model", "--json"});
  EXPECT_EQ(err_.str(), "error: " + Printable(hostile) + "\n");
  EXPECT_EQ(Output()["error"]["message"], hostile);
}

TEST_F(CommandsTest, ErrorsAreOneSentence) {
  server_.status =
      grpc::Status(grpc::StatusCode::NOT_FOUND, "model org/model: no tag x");
  ASSERT_EQ(Run({"show", "org/model:x"}), kExitFailure);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "error: model org/model: no tag x\n");
  ASSERT_EQ(Run({"show", "org/model:x", "--json"}), kExitFailure);
  EXPECT_EQ(err_.str(), "error: model org/model: no tag x\n");
  EXPECT_EQ(Output(), json::parse(R"({"error": {"code": "NOT_FOUND",
      "message": "model org/model: no tag x", "reason": "NOT_FOUND"}})"));
  server_.status = client::ErrorWith(grpc::StatusCode::NOT_FOUND, "no tag x",
                                     kReasonTagNotFound);
  ASSERT_EQ(Run({"show", "org/model:x", "--json"}), kExitFailure);
  EXPECT_EQ(Output()["error"]["reason"], "TAG_NOT_FOUND");
}

TEST_F(CommandsTest, ErrorsSayWhichOptionsHelp) {
  client::FakeModel model;
  model.AddSafetensors(
      "model.safetensors",
      {client::MakeTensor("a.weight", Dtype::kF16, {4, 4}, false)});
  server_.Serve(model);
  const std::string target = (directory_.path() / "out").native();
  ASSERT_EQ(
      Run({"download", "org/model", target, "--precision", "int8", "--json"}),
      kExitFailure);
  EXPECT_THAT(err_.str(), HasSubstr("has no INT8"));
  EXPECT_THAT(err_.str(), HasSubstr("--allow-original"));
  EXPECT_EQ(Output()["error"]["reason"], "NO_INT8");
  EXPECT_THAT(Output()["error"]["message"].get<std::string>(),
              HasSubstr("--allow-original"));
  ASSERT_EQ(Run({"download", "org/model", target, "--precision", "bf16"}),
            kExitFailure);
  EXPECT_THAT(err_.str(), HasSubstr("uploaded as F16; ask for the original "
                                    "(--precision)"));
  directory_.Write("m.bin", "version https://git-lfs.github.com/spec/v1\n");
  ASSERT_EQ(Run({"upload", directory_.path().native(), "org/model"}),
            kExitFailure);
  EXPECT_THAT(err_.str(), HasSubstr("--force"));
  // Nothing listens on the discard port.
  client::Session nowhere({.server = "127.0.0.1:9", .retry_seconds = 0});
  client::Cancellation cancellation;
  err_.str("");
  EXPECT_EQ(RunCommand({.session = nowhere.options(),
                        .json = false,
                        .command = ListCommand{}},
                       &nowhere, &cancellation, {.out = &out_, .err = &err_}),
            kExitFailure);
  EXPECT_THAT(err_.str(), HasSubstr("--listen 127.0.0.1:9"));
}

TEST(RpcStatusTest, KeepsCodesAndSaysWhatToDo) {
  EXPECT_TRUE(client::FromGrpcStatus(grpc::Status::OK, "h:1").ok());
  const absl::Status data_loss = client::FromGrpcStatus(
      grpc::Status(grpc::StatusCode::DATA_LOSS, "chunk 3"), "h:1");
  EXPECT_EQ(data_loss.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(std::string(data_loss.message()), "chunk 3");
  const absl::Status gone = client::FromGrpcStatus(
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed"), "h:1");
  EXPECT_EQ(gone.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(gone.message()), HasSubstr("h:1"));
  EXPECT_THAT(std::string(gone.message()), HasSubstr("Socket closed"));
  const absl::Status silent = client::FromGrpcStatus(
      grpc::Status(grpc::StatusCode::INTERNAL, ""), "h:1");
  EXPECT_NE(silent.message(), "");
}

}  // namespace
}  // namespace qstore::cli
