#include "cli/command_options.h"

#include <map>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/export/export_format.h"
#include "codec/int8/int8_coder.h"
#include "codec/quantizer.h"

namespace qstore::cli {
namespace {

// "90", "90s", "1m", "2h": of seconds.
CLI::AsNumberWithUnit AsSeconds() {
  return CLI::AsNumberWithUnit(
      std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3600}});
}

CLI::App* AddReferenceCommand(CLI::App* app, const char* name,
                              const char* description, const char* form,
                              Arguments* arguments) {
  CLI::App* command = app->add_subcommand(name, description);
  command->add_option("NAME", arguments->reference, "Which revision")
      ->required()
      ->type_name(form);
  return command;
}

std::vector<std::string> Int8CoderChoices() {
  std::vector<std::string> names;
  for (const codec::Int8CoderEntry* coder : codec::Int8Coders()) {
    names.emplace_back(coder->name);
  }
  return names;
}

std::vector<std::string> QuantizerChoices() {
  std::vector<std::string> names;
  for (const codec::Quantizer* quantizer : codec::Quantizers()) {
    names.emplace_back(quantizer->name);
  }
  names.emplace_back(codec::kNoQuantizer);
  return names;
}

void AddUpload(CLI::App* app, Arguments* arguments) {
  CLI::App* command = app->add_subcommand(
      "upload", "Store a model directory or a single .safetensors file");
  command->alias("push");
  client::UploadOptions& options = arguments->upload.options;
  // What --help shows.
  options.quantizer = codec::DefaultQuantizer().name;
  options.int8_coder = codec::DefaultInt8Coder().name;
  command
      ->add_option("DIR", options.source,
                   "A model directory, or one .safetensors file")
      ->required()
      ->type_name("");
  command
      ->add_option("NAME", arguments->reference,
                   "Name, and tag to move to the new revision (latest)")
      ->required()
      ->type_name("NAME[:TAG]");
  command
      ->add_option("--quantizer", options.quantizer,
                   "How linear weights are quantized; none stores everything "
                   "losslessly without INT8")
      ->envname("QSTORE_QUANTIZER")
      ->transform(CLI::IsMember(QuantizerChoices(), CLI::ignore_case))
      ->capture_default_str();
  command
      ->add_option("--int8-coder", options.int8_coder,
                   "How INT8 codes are compressed: zstd, or sliced, which is "
                   "smaller and on x86 faster to download")
      ->envname("QSTORE_INT8_CODER")
      ->transform(CLI::IsMember(Int8CoderChoices(), CLI::ignore_case))
      ->capture_default_str();
  command
      ->add_option("--include", options.include,
                   "Quantize only tensors whose names fit (*, ?); may be "
                   "repeated")
      ->envname("QSTORE_INCLUDE")
      ->type_name("GLOB")
      ->type_size(1)
      ->delimiter(',');
  command
      ->add_option("--exclude", options.exclude,
                   "Do not quantize tensors whose names fit; may be repeated")
      ->envname("QSTORE_EXCLUDE")
      ->type_name("GLOB")
      ->type_size(1)
      ->delimiter(',');
  command
      ->add_flag("--no-default-excludes", options.no_default_excludes,
                 "Also quantize what is left as it is by itself (embeddings, "
                 "heads, norms, routers)")
      ->envname("QSTORE_NO_DEFAULT_EXCLUDES");
  command
      ->add_flag("--quantize", options.quantize,
                 "Also quantize weights that no Transformers config.json "
                 "governs, such as those of a lone .safetensors file")
      ->envname("QSTORE_QUANTIZE");
  command->add_flag("--dry-run", arguments->upload.dry_run,
                    "Send nothing; tell for each tensor what would happen and "
                    "why");
  command
      ->add_flag("--force", options.force,
                 "Upload also what looks like an accident: Git LFS pointers, "
                 "indexes whose shards are missing")
      ->envname("QSTORE_FORCE");
  command
      ->add_flag("--all-files", options.all_files,
                 "Upload also what is no part of a model: .env, __pycache__, "
                 ".ipynb_checkpoints, .cache/huggingface")
      ->envname("QSTORE_ALL_FILES");
}

// A number without a unit would be taken for bytes, which nobody means. Empty:
// it will do.
std::string CheckMemory(const std::string& bytes) {
  constexpr uint64_t kLeastBytes = uint64_t{1} << 20;
  uint64_t value = 0;
  if (absl::SimpleAtoi(bytes, &value) && value >= kLeastBytes) return "";
  return absl::StrCat(bytes,
                      " is less than 1 MiB: give a unit, as in 512MiB or 2GiB");
}

void AddDownload(CLI::App* app, Arguments* arguments) {
  CLI::App* command = AddReferenceCommand(
      app, "download", "Write a revision's files into a directory",
      "NAME[:TAG|@REVISION]", arguments);
  command->alias("pull");
  client::DownloadOptions& options = arguments->download.options;
  command
      ->add_option("DIR", arguments->download.directory,
                   "Where to write; made if it does not exist")
      ->required()
      ->type_name("");
  command
      ->add_option("--precision", options.precision,
                   "original, int8, or fp16, bf16, fp32 where that is what was "
                   "uploaded")
      ->envname("QSTORE_PRECISION")
      ->transform(CLI::IsMember({"original", "int8", "fp16", "bf16", "fp32"},
                                CLI::ignore_case))
      ->capture_default_str();
  command
      ->add_option("--file", options.selection.files,
                   "Only files whose paths fit (*, ?); may be repeated")
      ->envname("QSTORE_FILE")
      ->type_name("GLOB")
      ->type_size(1)
      ->delimiter(',');
  command
      ->add_option(
          "--tensor", arguments->tensors,
          "Only tensors whose names fit, of these only some rows where "
          "it ends in [FIRST:END]; may be repeated")
      ->envname("QSTORE_TENSOR")
      ->type_name("GLOB")
      ->type_size(1)
      ->delimiter(',');
  command
      ->add_option("--format", options.format,
                   "Layout of INT8 files: " +
                       absl::StrJoin(client::ExportFormatNames(), ", "))
      ->envname("QSTORE_FORMAT")
      ->transform(CLI::IsMember(client::ExportFormatNames(), CLI::ignore_case))
      ->capture_default_str();
  command
      ->add_flag("--allow-original", options.allow_original,
                 "Where there is no INT8 that engines can read, write the "
                 "original files instead of failing")
      ->envname("QSTORE_ALLOW_ORIGINAL");
  command
      ->add_option("--threads", options.threads,
                   "Threads that decode; 0 means all cores")
      ->envname("QSTORE_DECODE_THREADS")
      ->check(CLI::Range(0, 1024))
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--memory", options.memory_bytes,
                   "Bound on chunks received and not yet written")
      ->envname("QSTORE_MEMORY")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Validator(CheckMemory, ""))
      ->type_name("SIZE")
      ->default_str("512MiB");
}

}  // namespace

void AddGlobalOptions(CLI::App* app, Arguments* arguments) {
  app->add_option("--server", arguments->line.session.server,
                  "Address of qstored")
      ->envname("QSTORE_SERVER")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app->add_flag("--json", arguments->line.json,
                "Print the result as one JSON document")
      ->envname("QSTORE_JSON");
  app->add_option("--connect-timeout",
                  arguments->line.session.connect_timeout_seconds,
                  "How long to wait for qstored to answer")
      ->envname("QSTORE_CONNECT_TIMEOUT")
      ->type_name("SECONDS")
      ->transform(AsSeconds())
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app->add_option("--retry-for", arguments->line.session.retry_seconds,
                  "How long to go on trying, without getting further, while "
                  "qstored is away or busy, such as 90 or 5m; 0: not at all; "
                  "not given: 60, but 2 for a server that was not reached at "
                  "all and for commands that move no model")
      ->envname("QSTORE_RETRY_FOR")
      ->type_name("SECONDS")
      ->transform(AsSeconds())
      ->check(CLI::Range(0.0, 604800.0))
      ->capture_default_str();
}

void AddCommands(CLI::App* app, Arguments* arguments) {
  AddUpload(app, arguments);
  AddDownload(app, arguments);
  CLI::App* list =
      app->add_subcommand("list", "List models, their tags and revisions");
  list->alias("ls");
  list->add_option("PREFIX", arguments->list.prefix,
                   "Only models whose names start with this; no pattern")
      ->type_name("");
  list->add_flag("--long", arguments->list.with_sizes,
                 "Sizes and times however many there are; with --json too");
  CLI::App* show =
      AddReferenceCommand(app, "show", "Show what a revision holds",
                          "NAME[:TAG|@REVISION]", arguments);
  show->add_flag("--files", arguments->show.files, "List its files");
  show->add_flag("--tensors", arguments->show.tensors, "List its tensors");
  AddReferenceCommand(app, "tag", "Point a tag at a revision",
                      "NAME[:TAG|@REVISION]", arguments)
      ->add_option("TAG", arguments->tag.tag, "Tag to create or move")
      ->required()
      ->type_name("");
  AddReferenceCommand(app, "delete",
                      "Remove a tag (and its revision when no other tag names "
                      "it), or a revision with all its tags",
                      "NAME[:TAG|@REVISION]", arguments)
      ->alias("rm");
  AddReferenceCommand(app, "verify",
                      "Have the server read back and check every stored byte",
                      "NAME[:TAG|@REVISION]", arguments);
  app->add_subcommand("backup",
                      "Have the server copy its whole store into its directory "
                      "for backups")
      ->add_option("NAME", arguments->backup.name, "Name of the new backup")
      ->required()
      ->type_name("");
  app->add_subcommand("scrub-status",
                      "Show what the server's background check has found");
}

}  // namespace qstore::cli
