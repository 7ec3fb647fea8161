{{/* One way out. Without peers: to anybody on these ports, but never to the cloud's metadata. */}}
{{- define "lanyard.way" -}}
# {{ .what }}
- to:
    {{- if .to }}
    {{- toYaml .to | nindent 4 }}
    {{- else }}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.0.0/16]}
    - ipBlock: {cidr: "::/0", except: ["fe80::/10", "fd00:ec2::/32"]}
    {{- end }}
  ports:
    {{- range .ports | uniq }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{/* The port of an address, by its scheme where it names none. */}}
{{- define "lanyard.portOf" -}}
{{- $place := regexReplaceAll "^[a-z+]+://([^/@]*@)?([^/?]*).*$" . "${2}" -}}
{{- $scheme := regexFind "^[a-z]+" . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $place) | default (get (dict "https" "443" "http" "80" "postgresql" "5432") $scheme) -}}
{{- end }}

{{/* The ports of an address that may name several servers, as a JSON list. */}}
{{- define "lanyard.portsOf" -}}
{{- $url := . -}}
{{- $ports := list -}}
{{- range splitList "," (regexReplaceAll "^[a-z+]+://([^/@]*@)?([^/?]*).*$" $url "${2}") }}
{{- $ports = append $ports (include "lanyard.portOf" (printf "%s://%s" (regexFind "^[a-z]+" $url) .)) -}}
{{- end -}}
{{- toJson $ports -}}
{{- end }}

{{/* The ports of a system: its own, and those of the further addresses in its options, such as where it gives tokens. */}}
{{- define "lanyard.systemPorts" -}}
{{- $ports := list (include "lanyard.portOf" .upstream) -}}
{{- range regexFindAll "https?://[^\"]+" (toRawJson (.options | default dict)) -1 }}
{{- $ports = append $ports (include "lanyard.portOf" .) -}}
{{- end -}}
{{- toJson $ports -}}
{{- end }}
