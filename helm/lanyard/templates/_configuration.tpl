{{/* One value as TOML writes it. Helm's own `toToml` makes `2` of YAML into `2.0`, which is no number of workers. */}}
{{- define "lanyard.value" -}}
{{- if kindIs "string" . -}}{{ toRawJson . }}
{{- else if kindIs "bool" . -}}{{ . }}
{{- else if kindIs "slice" . -}}
[{{ range $i, $one := . }}{{ if $i }}, {{ end }}{{ include "lanyard.value" $one }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- range $i, $key := keys . | sortAlpha }}{{ if $i }},{{ end }} {{ include "lanyard.key" $key }} = {{ include "lanyard.value" (get $ $key) }}{{ end }} }
{{- else if eq (float64 .) (floor .) -}}{{ printf "%.0f" (float64 .) }}
{{- else -}}{{ toJson . }}
{{- end -}}
{{- end }}

{{- define "lanyard.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . -}}{{ . }}{{ else }}{{ toRawJson . }}{{ end -}}
{{- end }}

{{- define "lanyard.table" -}}
{{- range $key := keys . | sortAlpha }}
{{ include "lanyard.key" $key }} = {{ include "lanyard.value" (get $ $key) }}
{{- end }}
{{- end }}

{{/* The whole of lanyard.toml: a heading for each table, and for each system and zone. */}}
{{- define "lanyard.configuration" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.policies.configMap -}}
{{- $_ := set $config "policies" (dict "path" "/etc/lanyard-policies") -}}
{{- end -}}
{{- range $name := keys $config | sortAlpha }}
{{- $table := get $config $name }}
{{- if kindIs "slice" $table }}
{{- range $one := $table }}
[[{{ $name }}]]
{{- include "lanyard.table" $one }}
{{ end }}
{{- else }}
[{{ $name }}]
{{- include "lanyard.table" $table }}
{{ end }}
{{- end }}
{{- end }}

{{/* What the schema cannot say. Each sentence has its key and the remedy. */}}
{{- define "lanyard.checked" -}}
{{- $gateway := .Values.config.gateway -}}
{{- $toml := include "lanyard.configuration" . -}}
{{- if $gateway.name -}}
{{- fail "`config.gateway.name` is each pod's own: leave it out" -}}
{{- end -}}
{{- if and (gt (int .Values.replicas) 1) (not $gateway.database_url) -}}
{{- fail "`replicas` is more than 1, and nothing is shared: give `config.gateway.database_url`, or `replicas: 1`" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not $gateway.trusted_proxies) -}}
{{- fail "`config.gateway.trusted_proxies` is empty: name the network of the ingress controller's pods, or every client seems to be the controller" -}}
{{- end -}}
{{- if and .Values.policies.configMap .Values.config.policies -}}
{{- fail "`config.policies.path` and `policies.configMap` say the same: leave the first out" -}}
{{- end -}}
{{- range $key, $wanted := dict "data_dir" "/var/lib/lanyard" -}}
{{- if ne (get $gateway $key) $wanted -}}
{{- fail (printf "`config.gateway.%s` is `%s` in a pod: leave it out" $key $wanted) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "listen" "ops_listen" -}}
{{- if regexMatch "^(127\\.|localhost|\\[::1\\])" (get $gateway $key) -}}
{{- fail (printf "`config.gateway.%s` is on loopback: nothing outside of the pod would reach it; write `0.0.0.0:…`" $key) -}}
{{- end -}}
{{- end -}}
{{- range $named := regexFindAll "[A-Za-z0-9_-]+ = ({ file = )?\"[^\"]*\"" $toml -1 -}}
{{- if and (regexMatch "^(credentials|tls_key) = |{ file = " $named) (not (regexMatch "\"/etc/lanyard/secrets/[a-z0-9][a-z0-9._-]*\"$" $named)) -}}
{{- fail (printf "`%s` in `config`: a secret is named by its file, /etc/lanyard/secrets/<name>, and `secrets` puts it there" (regexFind "^[A-Za-z0-9_-]+" $named)) -}}
{{- end -}}
{{- end -}}
{{- range $path := regexFindAll "/etc/lanyard/(secrets|certificates)/[A-Za-z0-9._-]+" $toml -1 | uniq -}}
{{- $kind := base (dir $path) -}}
{{- if not (hasKey (get $.Values $kind) (base $path)) -}}
{{- fail (printf "`config` names `%s`, which nothing puts there: add `%s.%s`" $path $kind (base $path)) -}}
{{- end -}}
{{- end -}}
{{- end }}
