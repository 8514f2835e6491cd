{{- /*
# SPDX-License-Identifier: BSD-2-Clause
*/ -}}
{{- define "apoptosis.selector" -}}
app.kubernetes.io/name: apoptosis
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "apoptosis.labels" -}}
{{ include "apoptosis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- /* Of conf.d: what is given, and what values stand for. */ -}}
{{- define "apoptosis.config" -}}
{{- range $name, $text := .Values.config }}
{{ $name }}: |
  {{- $text | trim | nindent 2 }}
{{- end }}
{{- with .Values.metrics.textfileDirectory }}
60-metrics.conf: |
  [defaults]
  metrics-textfile = /metrics/apoptosis.prom
{{- end }}
{{- if .Values.observe }}
70-observe.conf: |
  [defaults]
  dry-run = yes
{{- end }}
{{- end }}
{{- /* Directories on the node in which runtimes keep what they know of containers: name and path. */ -}}
{{- define "apoptosis.runtime" -}}
{{- if eq .Values.runtime "containerd" }}
tasks: /run/containerd/io.containerd.runtime.v2.task/k8s.io
{{- else if eq .Values.runtime "cri-o" }}
storage: /var/lib/containers/storage
storage-run: /run/containers/storage
{{- end }}
{{- end }}
