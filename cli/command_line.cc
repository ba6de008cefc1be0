#include "cli/command_line.h"

#include <string_view>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "client/export/export_format.h"
#include "codec/int8/int8_coder.h"
#include "codec/quantizer.h"

namespace qstore::cli {
namespace {

constexpr char kFooter[] =
    "Every option can also be given as the environment variable named in its\n"
    "description. Exit status: 0 success, 1 failure, 2 wrong usage, 130 or "
    "143\n"
    "interrupted. Errors are one sentence on stderr.";

// What CLI11 fills in, before references are parsed.
struct Arguments {
  CommandLine line;
  UploadCommand upload;
  DownloadCommand download;
  std::vector<std::string> tensors;  // of download, as they were typed
  ListCommand list;
  TagCommand tag;
  BackupCommand backup;
  std::string reference;
};

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
      ->check(CLI::Range(0.001, 86400.0))
      ->capture_default_str();
  app->add_option("--retry-for", arguments->line.session.retry_seconds,
                  "How long to go on trying, without getting further, while "
                  "qstored is away or busy; 0: not at all")
      ->envname("QSTORE_RETRY_FOR")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, 604800.0))
      ->capture_default_str();
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
      ->check(CLI::IsMember(QuantizerChoices()))
      ->capture_default_str();
  command
      ->add_option("--int8-coder", options.int8_coder,
                   "How INT8 codes are compressed: zstd, or sliced, which is "
                   "smaller and on x86 faster to download")
      ->envname("QSTORE_INT8_CODER")
      ->check(CLI::IsMember(Int8CoderChoices()))
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

// "NAME*" or "NAME*[FIRST:END]", rows as a slice of Python names them.
absl::StatusOr<model::TensorPattern> ParseTensorPattern(
    const std::string& text) {
  model::TensorPattern pattern;
  pattern.pattern = text;
  const size_t open = text.rfind('[');
  const size_t colon = text.rfind(':');
  if (!text.ends_with(']') || open == std::string::npos ||
      colon == std::string::npos || colon < open) {
    return pattern;
  }
  model::RowRange rows;
  if (!absl::SimpleAtoi(text.substr(open + 1, colon - open - 1), &rows.first) ||
      !absl::SimpleAtoi(text.substr(colon + 1, text.size() - colon - 2),
                        &rows.end)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--tensor ", text, ": rows are two numbers, as in weight[0:128]"));
  }
  pattern.pattern = text.substr(0, open);
  pattern.rows = rows;
  return pattern;
}

void AddDownload(CLI::App* app, Arguments* arguments) {
  CLI::App* command = AddReferenceCommand(
      app, "download", "Write a revision's files into a directory",
      "NAME[:TAG|@REVISION]", arguments);
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
      ->check(CLI::IsMember({"original", "int8", "fp16", "bf16", "fp32"}))
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
      ->check(CLI::IsMember(client::ExportFormatNames()))
      ->capture_default_str();
  command
      ->add_flag("--allow-original", options.allow_original,
                 "Where there is no INT8 that engines can read, write the "
                 "original files instead of failing")
      ->envname("QSTORE_ALLOW_ORIGINAL");
  command
      ->add_option("--threads", options.threads,
                   "Threads that decode; 0 means all cores")
      ->envname("QSTORE_THREADS")
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

absl::Status CheckServer(const std::string& server) {
  if (server.find(':') != std::string::npos && server.back() != ':') {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--server ", server, " names no port: give HOST:PORT"));
}

// Only a tag may be moved or created by name; a revision cannot be chosen.
absl::Status CheckUploadTarget(const ModelReference& target) {
  if (target.revision_prefix.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      target.ToString(),
      " names a revision, which the server computes from the content: give "
      "NAME or NAME:TAG"));
}

absl::StatusOr<Command> BuildCommand(const std::string& name,
                                     Arguments* arguments) {
  if (name == "list") return Command(arguments->list);
  if (name == "scrub-status") return Command(ScrubStatusCommand{});
  if (name == "backup") {
    QSTORE_RETURN_IF_ERROR(ValidateBackupName(arguments->backup.name));
    return Command(arguments->backup);
  }
  QSTORE_ASSIGN_OR_RETURN(ModelReference reference,
                          ParseModelReference(arguments->reference));
  if (name == "upload") {
    QSTORE_RETURN_IF_ERROR(CheckUploadTarget(reference));
    arguments->upload.options.model = reference.model;
    arguments->upload.options.tag = reference.tag;
    return Command(arguments->upload);
  }
  if (name == "download") {
    arguments->download.reference = std::move(reference);
    model::Selection& selection = arguments->download.options.selection;
    for (const std::string& typed : arguments->tensors) {
      QSTORE_ASSIGN_OR_RETURN(model::TensorPattern pattern,
                              ParseTensorPattern(typed));
      selection.tensors.push_back(std::move(pattern));
    }
    QSTORE_RETURN_IF_ERROR(model::ValidateSelection(selection));
    return Command(arguments->download);
  }
  if (name == "show") return Command(ShowCommand{std::move(reference)});
  if (name == "tag") {
    QSTORE_RETURN_IF_ERROR(ValidateTag(arguments->tag.tag));
    arguments->tag.reference = std::move(reference);
    return Command(arguments->tag);
  }
  if (name == "delete") return Command(DeleteCommand{std::move(reference)});
  return Command(VerifyCommand{std::move(reference)});
}

// For mistakes that end parsing before --json is reached.
bool AsksForJson(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") return true;
  }
  return false;
}

}  // namespace

ParsedCommandLine ParseCommandLine(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app("Client of the QStore model store", "qstore-client");
  app.set_version_flag("--version", "qstore-client " QSTORE_VERSION);
  app.set_help_flag("-h,--help", "Print this help");
  app.footer(kFooter);
  app.require_subcommand(1);
  app.fallthrough();
  AddGlobalOptions(&app, &arguments);
  AddUpload(&app, &arguments);
  AddDownload(&app, &arguments);
  app.add_subcommand("list", "List models, their tags and revisions")
      ->add_option("PREFIX", arguments.list.prefix,
                   "Only models whose names start with this")
      ->type_name("");
  AddReferenceCommand(&app, "show", "Show what a revision holds",
                      "NAME[:TAG|@REVISION]", &arguments);
  AddReferenceCommand(&app, "tag", "Point a tag at a revision",
                      "NAME[:TAG|@REVISION]", &arguments)
      ->add_option("TAG", arguments.tag.tag, "Tag to create or move")
      ->required()
      ->type_name("");
  AddReferenceCommand(&app, "delete",
                      "Remove a tag (and its revision when no other tag names "
                      "it), or a revision with all its tags",
                      "NAME[:TAG|@REVISION]", &arguments);
  AddReferenceCommand(&app, "verify",
                      "Have the server read back and check every stored byte",
                      "NAME[:TAG|@REVISION]", &arguments);
  app.add_subcommand("backup",
                     "Have the server copy its whole store into its directory "
                     "for backups")
      ->add_option("NAME", arguments.backup.name, "Name of the new backup")
      ->required()
      ->type_name("");
  app.add_subcommand("scrub-status",
                     "Show what the server's background check has found");

  ParsedCommandLine parsed;
  parsed.json = AsksForJson(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForVersion& version) {
    parsed.output = absl::StrCat(version.what(), "\n");
    return parsed;
  } catch (const CLI::CallForHelp&) {
    parsed.output = app.help();
    return parsed;
  } catch (const CLI::CallForAllHelp&) {
    parsed.output = app.help("", CLI::AppFormatMode::All);
    return parsed;
  } catch (const CLI::ParseError& mistake) {
    parsed.exit_code = kExitUsage;
    parsed.error =
        absl::StrCat(mistake.what(), " (qstore-client --help shows the usage)");
    return parsed;
  }
  parsed.json = arguments.line.json;
  absl::Status status = CheckServer(arguments.line.session.server);
  if (status.ok()) {
    absl::StatusOr<Command> command =
        BuildCommand(app.get_subcommands().front()->get_name(), &arguments);
    status = command.status();
    if (status.ok()) arguments.line.command = *std::move(command);
  }
  if (!status.ok()) {
    parsed.exit_code = kExitUsage;
    parsed.error = std::string(status.message());
    return parsed;
  }
  parsed.command_line = std::move(arguments.line);
  return parsed;
}

}  // namespace qstore::cli
