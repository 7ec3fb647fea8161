// oauth2-mock-server, told at run time how to lie: PUT /<mode> on the control port; `ok` tells the truth.
import http from 'node:http';
import { OAuth2Server } from 'oauth2-mock-server';

const server = new OAuth2Server();
await server.issuer.keys.generate('RS256');
const who = { sub: 'n.okoye', name: 'N Okoye', roles: ['nurse'] };
let mode = 'ok';

const claims = {
  'bad-aud': (p) => { p.aud = 'someone-else'; },
  'bad-iss': (p) => { p.iss = 'http://evil.test'; },
  'bad-nonce': (p) => { p.nonce = 'not-yours'; },
  'no-nonce': (p) => { delete p.nonce; },
  expired: (p) => { p.iat -= 7200; p.exp = p.iat + 60; },
  future: (p) => { p.iat += 7200; p.nbf = p.iat; p.exp = p.iat + 600; },
  'no-sub': (p) => { delete p.sub; },
  'no-exp': (p) => { delete p.exp; },
  'no-role': (p) => { delete p.roles; },
};
const answers = {
  'token-500': (r) => { r.statusCode = 500; r.body = { error: 'server_error' }; },
  'token-400': (r) => { r.statusCode = 400; r.body = { error: 'invalid_grant' }; },
  'no-id-token': (r) => { delete r.body.id_token; },
  'alg-none': (r) => { const [, p] = r.body.id_token.split('.'); r.body.id_token = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${p}.`; },
  'bad-sig': (r) => { r.body.id_token = `${r.body.id_token.slice(0, -8)}AAAAAAAA`; },
  'other-payload': (r) => {
    const [h, p, s] = r.body.id_token.split('.');
    const changed = { ...JSON.parse(Buffer.from(p, 'base64url')), roles: ['doctor'] };
    r.body.id_token = `${h}.${Buffer.from(JSON.stringify(changed)).toString('base64url')}.${s}`;
  },
  'token-type': (r) => { r.body.token_type = 'mac'; },
};
const callbacks = {
  'bad-state': (u) => u.searchParams.set('state', 'forged'),
  'no-state': (u) => u.searchParams.delete('state'),
  'two-states': (u) => u.searchParams.append('state', 'forged'),
  denied: (u) => { u.searchParams.delete('code'); u.searchParams.set('error', 'access_denied'); },
  'other-iss': (u) => u.searchParams.set('iss', 'http://evil.test'),
  'with-token': (u) => u.searchParams.set('id_token', 'x.y.z'),
};

server.service.on('beforeTokenSigning', ({ payload }) => { Object.assign(payload, who, { sid: 's-1', amr: ['pwd'] }); claims[mode]?.(payload); });
server.service.on('beforeResponse', (response) => { answers[mode]?.(response); });
server.service.on('beforeAuthorizeRedirect', ({ url }) => { callbacks[mode]?.(url); });
server.service.on('beforeUserinfo', (response) => { response.body = { sub: mode === 'other-userinfo' ? 'dr.lee' : who.sub, email: 'okoye@hospital.test' }; });

await server.start(0, '127.0.0.1');
server.issuer.url = `http://127.0.0.1:${server.address().port}`;
const modes = ['ok', 'other-userinfo', ...[claims, answers, callbacks].flatMap(Object.keys)];
const control = http.createServer((request, response) => {
  const wanted = request.url.slice(1);
  if (!modes.includes(wanted)) return response.writeHead(404).end(modes.join(' '));
  mode = wanted;
  response.end(wanted);
});
control.listen(0, '127.0.0.1', () => console.log(`ready ${server.issuer.url} http://127.0.0.1:${control.address().port} ${modes.join(' ')}`));
