{{/* What objects are called. 28 characters at most: a pod's name is the gateway's, which takes 32. */}}
{{- define "lanyard.fullname" -}}
{{- $name := .Values.fullname | default (ternary .Release.Name (printf "%s-lanyard" .Release.Name) (contains "lanyard" .Release.Name)) | replace "." "-" -}}
{{- if gt (len $name) 28 -}}
{{- $name = printf "%s-%s" (trunc 19 $name | trimSuffix "-") (sha256sum $name | trunc 8) -}}
{{- end -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*[a-z0-9]$" $name) -}}
{{- fail (printf "`%s` cannot be a gateway's name: it begins with a letter; give another by `fullname`" $name) -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{- define "lanyard.selector" -}}
app.kubernetes.io/name: lanyard
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "lanyard.labels" -}}
{{ include "lanyard.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "lanyard.metadata" -}}
name: {{ include "lanyard.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "lanyard.labels" . | nindent 2 }}
{{- end }}

{{- define "lanyard.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* `0.0.0.0:8080` → `8080` */}}
{{- define "lanyard.port" -}}
{{- regexFind "[0-9]+$" . -}}
{{- end }}

{{/* The main host without its port. */}}
{{- define "lanyard.host" -}}
{{- $host := (urlParse .Values.config.gateway.public_url).host -}}
{{- regexReplaceAll ":[0-9]+$" $host "" | lower -}}
{{- end }}

{{/* A duration such as `25s` in whole seconds, upwards. */}}
{{- define "lanyard.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}{{ div (add $number 999) 1000 }}
{{- else -}}{{ mul $number (get (dict "s" 1 "m" 60 "h" 3600 "d" 86400) $unit) }}
{{- end -}}
{{- end }}
