//! Modules as people publish them, written anew: what templates call most.

use super::written::{Row, Written, names, row, template};

/// A template as most are: an agent, a container, modules that are counted by start_count.
const TEMPLATE: &str = r#"
terraform {
  required_providers {
    coder  = { source = "coder/coder" }
    docker = { source = "kreuzwerker/docker" }
  }
}

locals {
  username = data.coder_workspace_owner.me.name
}

variable "socket" {
  description = "Where the engine listens"
  default     = ""
  type        = string
}

provider "docker" {
  host = var.socket != "" ? var.socket : null
}

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

resource "coder_agent" "main" {
  arch           = data.coder_provisioner.me.arch
  os             = "linux"
  startup_script = <<-EOT
    set -e
    echo "$${HOME} ${local.username}"
  EOT
  env = {
    GIT_AUTHOR_NAME = coalesce(data.coder_workspace_owner.me.full_name, local.username)
  }
}

resource "docker_container" "workspace" {
  count = data.coder_workspace.me.start_count
  image = "ubuntu"
  name  = "coder-${local.username}-${lower(data.coder_workspace.me.name)}"
  env   = ["TOKEN=${coder_agent.main.token}"]
  lifecycle {
    ignore_changes = all
  }
}
"#;

fn calling(module: &str, call: &str, source: &str) -> Written {
    let call = format!(
        "module \"{module}\" {{\n  count = data.coder_workspace.me.start_count\n  \
         source = \"registry.example.com/x/{module}/coder\"\n  version = \"~> 1.0\"\n  \
         agent_id = coder_agent.main.id\n{call}\n}}"
    );
    template(TEMPLATE)
        .file("modules.tf", &call)
        .remote(
            module,
            &format!("variable \"agent_id\" {{\n  type = string\n}}\n{source}"),
        )
        .variable("socket", "string", "")
}

const IDES: &str = r#"
variable "default" {
  type    = set(string)
  default = []
}
variable "coder_parameter_order" {
  type    = number
  default = null
}
variable "options" {
  type    = set(string)
  default = ["GO", "IU"]
  validation {
    condition     = length(var.options) > 0
    error_message = "None."
  }
}
variable "ide_config" {
  type = map(object({
    name  = string
    icon  = string
    build = optional(string)
  }))
  default = {
    "GO" = { name = "GoLand", icon = "/icon/goland.svg", build = "251.1" }
    "IU" = { name = "IDEA", icon = "/icon/intellij.svg" }
  }
}
data "http" "releases" {
  for_each = length(var.default) == 0 ? var.options : var.default
  url      = "https://example.com/${each.value}"
}
locals {
  parsed = { for code in var.options : code => try(jsondecode(data.http.releases[code].response_body), {}) }
}
data "coder_parameter" "ides" {
  count        = length(var.default) == 0 ? 1 : 0
  type         = "list(string)"
  name         = "ides"
  display_name = "IDEs"
  mutable      = true
  default      = jsonencode([])
  order        = var.coder_parameter_order
  form_type    = "multi-select"
  dynamic "option" {
    for_each = var.options
    content {
      icon  = var.ide_config[option.value].icon
      name  = var.ide_config[option.value].name
      value = option.value
    }
  }
}
resource "coder_app" "ide" {
  for_each = local.parsed
  agent_id = var.agent_id
}
"#;

#[test]
fn ides_of_a_variable_with_objects_are_static() {
    let stored = row("ides")
        .with(|row| row.definition.kind = "list(string)".to_owned())
        .default("[]")
        .mutable()
        .options(&[("GoLand", "GO"), ("IDEA", "IU")]);
    let ides = calling("ides", "", IDES).row(stored);
    assert!(ides.is_static().null_defaults.is_empty());
    calling("ides", "default = [\"GO\"]", IDES).is_static();
}

const REGION: &str = r#"
variable "default" {
  type    = string
  default = null
}
variable "regions" {
  type    = list(string)
  default = ["us-central1"]
}
variable "gpu_only" {
  type    = bool
  default = false
}
variable "mutable" {
  type    = bool
  default = false
}
variable "custom_names" {
  type    = map(string)
  default = {}
}
variable "custom_icons" {
  type    = map(string)
  default = {}
}
variable "single_zone_per_region" {
  type    = bool
  default = true
}
locals {
  zones = {
    "us-central1-a" = { gpu = true, name = "Iowa (a)", icon = "/emojis/us.png" }
    "us-central1-b" = { gpu = false, name = "Iowa (b)", icon = "/emojis/us.png" }
    "europe-west1-b" = { gpu = true, name = "Belgium (b)", icon = "/emojis/be.png" }
  }
}
data "coder_parameter" "region" {
  name         = "gcp_region"
  display_name = "Region"
  icon         = "/icon/gcp.png"
  mutable      = var.mutable
  default      = var.default != null && var.default != "" && (!var.gpu_only || try(local.zones[var.default].gpu, false)) ? var.default : null
  dynamic "option" {
    for_each = {
      for k, v in local.zones : k => v
      if anytrue([for d in var.regions : startswith(k, d)]) && (!var.gpu_only || v.gpu) && (!var.single_zone_per_region || (var.single_zone_per_region && (endswith(k, "-a") || endswith(k, "-b"))))
    }
    content {
      icon        = try(var.custom_icons[option.key], option.value.icon)
      name        = try(var.custom_names[option.key], var.single_zone_per_region ? substr(option.value.name, 0, length(option.value.name) - 4) : option.value.name)
      description = option.key
      value       = option.key
    }
  }
}
output "value" {
  value = data.coder_parameter.region.value
}
"#;

fn region(call: &str) -> Written {
    let call = format!(
        "module \"region\" {{\n  source = \"registry.example.com/x/region/coder\"\n{call}\n}}"
    );
    template(TEMPLATE)
        .file(
            "modules.tf",
            &format!("{call}\nprovider \"google\" {{\n  zone = module.region.value\n}}"),
        )
        .remote("region", REGION)
        .variable("socket", "string", "")
}

#[test]
fn regions_by_conditions_are_static_with_their_null_default() {
    let stored =
        row("gcp_region").options(&[("Iowa", "us-central1-a"), ("Iowa b", "us-central1-b")]);
    let none = region("regions = [\"us\", \"europe\"]").row(stored.clone().required());
    assert_eq!(none.is_static().null_defaults, names(["gcp_region"]));
    let given = region("default = \"us-central1-a\"").row(stored.default("us-central1-a"));
    assert!(given.is_static().null_defaults.is_empty());
}

const DOTFILES: &str = r#"
variable "default_uri" {
  type    = string
  default = ""
}
variable "uri" {
  type    = string
  default = null
}
data "coder_parameter" "uri" {
  count        = var.uri == null ? 1 : 0
  type         = "string"
  name         = "dotfiles_uri"
  default      = var.default_uri
  mutable      = true
  icon         = "/icon/dotfiles.svg"
}
locals {
  uri  = var.uri != null ? var.uri : data.coder_parameter.uri[0].value
  user = data.coder_workspace_owner.me.name
}
output "uri" {
  value = local.uri
}
"#;

#[test]
fn a_parameter_unless_a_variable_is_given_is_static() {
    calling("dotfiles", "", DOTFILES)
        .row(row("dotfiles_uri").mutable())
        .is_static();
    calling("dotfiles", "uri = \"x\"", DOTFILES).is_static();
    let chosen = calling(
        "dotfiles",
        "uri = data.coder_parameter.repo.value",
        DOTFILES,
    );
    let reasons = chosen.reasons();
    assert_eq!(
        reasons,
        ["modules.tf:6: refers to data.coder_parameter.repo.value"]
    );
}

const GIT: &str = r#"
variable "allow_username_change" {
  type    = bool
  default = true
}
variable "allow_email_change" {
  type    = bool
  default = false
}
data "coder_workspace_owner" "me" {}
data "coder_parameter" "email" {
  count   = var.allow_email_change ? 1 : 0
  name    = "user_email"
  type    = "string"
  default = ""
  mutable = true
}
data "coder_parameter" "username" {
  count   = var.allow_username_change ? 1 : 0
  name    = "username"
  type    = "string"
  default = ""
  mutable = true
}
resource "coder_env" "name" {
  agent_id = var.agent_id
  value    = coalesce(try(data.coder_parameter.username[0].value, ""), data.coder_workspace_owner.me.full_name)
}
"#;

#[test]
fn parameters_by_flags_are_static() {
    calling("git", "", GIT)
        .row(row("username").mutable())
        .is_static();
    let both = calling("git", "allow_email_change = true", GIT);
    both.row(row("username").mutable())
        .row(row("user_email").mutable())
        .is_static();
}

const CHOICES: &str = r#"
locals {
  sizes = { for size in [2, 4, 8] : tostring(size) => "${size} cores" }
  images = {
    base = { name = "Base", icon = null }
    full = { name = "Full", icon = "/icon/full.png" }
  }
}
data "coder_parameter" "cpu" {
  name      = "cpu"
  type      = "number"
  default   = 4
  mutable   = true
  form_type = "dropdown"
  dynamic "option" {
    for_each = local.sizes
    content {
      name  = option.value
      value = option.key
    }
  }
}
data "coder_parameter" "disk" {
  name    = "disk"
  type    = "number"
  default = 20
  validation {
    min       = 10
    max       = 100
    monotonic = "increasing"
  }
}
data "coder_parameter" "image" {
  name    = "image"
  default = keys(local.images)[0]
  dynamic "option" {
    for_each = local.images
    content {
      name  = option.value.name
      value = option.key
      icon  = option.value.icon
    }
  }
}
data "coder_workspace_preset" "small" {
  name       = "Small"
  parameters = { (data.coder_parameter.cpu.name) = "2" }
}
module "clone" {
  source   = "./clone"
  count    = contains(["full"], data.coder_parameter.image.value) ? data.coder_workspace.me.start_count : 0
  agent_id = coder_agent.main.id
}
module "editor" {
  source   = "./clone"
  agent_id = coder_agent.main.id
  folder   = try(module.clone[0].folder, "/home")
}
"#;

#[test]
fn choices_of_locals_are_static() {
    let clone = "variable \"agent_id\" {}\nvariable \"folder\" {\n  default = \"\"\n}\noutput \"folder\" {\n  value = \"/a\"\n}";
    template(TEMPLATE)
        .file("choices.tf", CHOICES)
        .file("clone/main.tf", clone)
        .variable("socket", "string", "")
        .row(
            row("cpu")
                .number()
                .default("4")
                .mutable()
                .options(&[("2 cores", "2"), ("4 cores", "4")]),
        )
        .row(row("disk").number().default("20").max(100))
        .row(
            row("image")
                .default("base")
                .options(&[("Base", "base"), ("Full", "full")]),
        )
        .is_static();
}
