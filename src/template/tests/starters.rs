//! Templates as people start from: clusters, agents with scripts, modules by choice. What decides
//! is little; the rest refers to all that differs from build to build.

use super::written::{Row, Written, row, template};

/// A cluster's template: sizes with limits, an agent with scripts and metadata.
const CLUSTER: &str = r#"
terraform {
  required_providers {
    coder      = { source = "coder/coder" }
    kubernetes = { source = "hashicorp/kubernetes" }
  }
}

provider "coder" {}

variable "use_kubeconfig" {
  type        = bool
  description = <<-EOF
  Use the host's file? (true/false)

  "No" if this runs in the cluster itself.
  EOF
  default     = false
}

data "coder_parameter" "home_disk_size" {
  name        = "home_disk_size"
  description = "Size of ${data.coder_workspace.me.name}'s disk"
  default     = "10"
  type        = "number"
  icon        = "/icon.png"
  mutable     = false
  validation {
    min = 1
    max = 99999
  }
}

data "coder_parameter" "cpu" {
  name    = "cpu"
  default = 2
  type    = "number"
  mutable = true
  option {
    name  = "2 Cores"
    value = "2"
  }
  option {
    name  = "4 Cores"
    value = "4"
  }
}

data "coder_workspace_preset" "large" {
  name       = "Large"
  parameters = { (data.coder_parameter.cpu.name) = "4" }
  prebuilds {
    instances = 2
  }
}

provider "kubernetes" {
  config_path = var.use_kubeconfig == true ? "~/.kube/config" : null
}

data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

resource "coder_agent" "main" {
  os             = "linux"
  arch           = "amd64"
  startup_script = <<-EOT
    #!/bin/bash
    cat <<'END' > x
    END
    echo "→ ${lower(data.coder_workspace.me.name)} $${HOME} $(date +%s) %{ if true }x%{ endif } 100%"
  EOT
  metadata {
    key    = "load"
    script = <<EOT
      awk '{ printf "%0.2f", $1/$2 }' /proc/loadavg
    EOT
  }
}

resource "kubernetes_deployment" "main" {
  count = data.coder_workspace.me.start_count
  metadata {
    name   = "coder-${data.coder_workspace.me.id}"
    labels = { "com.coder.user.id" = data.coder_workspace_owner.me.id }
  }
  dynamic "spec" {
    for_each = [data.coder_parameter.cpu.value]
    content {
      cpu    = spec.value
      memory = "${data.coder_parameter.home_disk_size.value}Gi"
    }
  }
  lifecycle {
    ignore_changes = [metadata[0].labels]
  }
}
"#;

fn cluster() -> Written {
    template(CLUSTER)
        .variable("use_kubeconfig", "bool", "false")
        .row(row("home_disk_size").number().default("10").with(|row| {
            row.definition.validation_min = Some(1);
            row.definition.validation_max = Some(99_999);
        }))
        .row(
            row("cpu")
                .number()
                .default("2")
                .mutable()
                .options(&[("2 Cores", "2"), ("4 Cores", "4")]),
        )
}

#[test]
fn a_clusters_template_is_static() {
    cluster().is_static();
}

#[test]
fn modules_that_are_there_by_choice_leave_a_template_static() {
    let chosen = r#"
module "by_flag" {
  count  = tobool(data.coder_parameter.flag.value) ? data.coder_workspace.me.start_count : 0
  source = "./app"
}
module "by_product" {
  count  = data.coder_workspace.me.start_count * (var.use_kubeconfig ? 1 : 0)
  source = "./app"
}
module "each" {
  for_each = toset(jsondecode(data.coder_parameter.flag.value))
  source   = "./app"
  agent_id = coder_agent.main.id
}
module "size" {
  source = "./size"
}
data "coder_parameter" "flag" {
  name    = "flag"
  type    = "bool"
  default = true
}
"#;
    let size = "data \"coder_parameter\" \"size\" {\n  name = \"size\"\n  default = \"s\"\n}";
    let flag = row("flag").with(|row| {
        row.definition.kind = "bool".to_owned();
        row.definition.default_value = "true".to_owned();
    });
    let app = "variable \"agent_id\" {\n  default = \"\"\n}\noutput \"x\" {\n  value = 1\n}";
    let whole = |size_call: &str| {
        cluster()
            .file("modules.tf", size_call)
            .file("app/main.tf", app)
            .file("size/main.tf", size)
            .row(flag.clone())
            .row(row("size").default("s"))
    };
    whole(chosen).is_static();
    // Counted, it may come after the one that is there nobody knows how often.
    let counted = chosen.replace("module \"size\" {", "module \"size\" {\n  count = 1");
    whole(&counted).is_unknown("modules.tf:10: a module that is there without a known bound");
}

#[test]
fn options_of_a_file_of_json_are_static() {
    let sizes = r#"
locals {
  sizes = { for size in jsondecode(file("${path.module}/sizes.json")).sizes : size.name => size }
  first = sort(keys(local.sizes))[0]
}
data "coder_parameter" "size" {
  name    = "size"
  default = one([for name, size in local.sizes : name if name == local.first])
  dynamic "option" {
    for_each = local.sizes
    iterator = size
    content {
      name        = "${size.value.label} (${size.value.cpu} cores)"
      value       = size.key
      description = lookup(size.value, "description", "")
    }
  }
}
"#;
    let json = r#"{"sizes": [{"name": "a", "label": "A", "cpu": 2},
                  {"name": "b", "label": "B", "cpu": 8}]}"#;
    let options = [("A (2 cores)", "a"), ("B (8 cores)", "b")];
    let template = template(sizes)
        .file("sizes.json", json)
        .row(row("size").default("a").options(&options));
    template.is_static();
}

#[test]
fn a_parameter_for_each_of_a_variable_is_static() {
    let source = r#"
variable "teams" {
  type = map(object({ size = optional(string, "s"), fixed = optional(bool, false) }))
}
module "team" {
  for_each = var.teams
  source   = "./team"
  team     = each.key
  size     = each.value.size
  fixed    = each.value.fixed
}
"#;
    let team = r#"
variable "team" {
  type = string
}
variable "size" {
  type = string
}
variable "fixed" {
  type    = bool
  default = false
}
data "coder_parameter" "size" {
  name    = "size_${var.team}"
  default = var.size
  mutable = !var.fixed
}
"#;
    let teams = r#"{"a": {}, "b": {"size": "l", "fixed": true}}"#;
    template(source)
        .file("team/main.tf", team)
        .variable_with_default(
            "teams",
            "map(object({ size = optional(string) }))",
            teams,
            "{}",
        )
        .row(row("size_a").default("s").mutable())
        .row(row("size_b").default("l"))
        .is_static();
}
