// A certified OpenID provider (oidc-provider) on a free port of this machine, configured by CONFIG (JSON):
//   host, origin     where it listens, and its issuer when that is reached by another name (`{port}` is filled in)
//   clients          as oidc-provider takes them (RFC 7591 names)
//   users            log-on name -> { password, claims… }; a second factor is the field `otp` = 000000, a smartcard 333333,
//                    and `proved_ago` the seconds since a proof that it knows from elsewhere (a desktop's log-on)
import { generateKeyPairSync } from 'node:crypto';
import http from 'node:http';
import Provider, { interactionPolicy } from 'oidc-provider';

const config = JSON.parse(process.env.CONFIG);
const PASSWORD = 'urn:acr:pwd', FACTORS = 'urn:acr:mfa', CARD = 'urn:acr:aal3';
const LEVELS = [PASSWORD, FACTORS, CARD];
const METHODS = { [PASSWORD]: ['pwd'], [FACTORS]: ['pwd', 'otp', 'mfa'], [CARD]: ['pin', 'sc', 'mfa'] };

// `acr_values` alone makes it ask nobody again: this check is the step-up.
const policy = interactionPolicy.base();
policy.get('login').checks.add(new interactionPolicy.Check('step_up', 'the requested acr_values are not met', ({ oidc }) => {
  const wanted = LEVELS.findIndex((acr) => (oidc.params.acr_values ?? '').split(' ').includes(acr));
  return LEVELS.indexOf(oidc.acr) < wanted;
}));

const signing = (kid, ...how) => ({ ...generateKeyPairSync(...how).privateKey.export({ format: 'jwk' }), kid, use: 'sig' });

const settings = {
  jwks: { keys: [signing('rsa', 'rsa', { modulusLength: 2048 }), signing('ec', 'ec', { namedCurve: 'P-256' })] },
  clients: config.clients,
  acrValues: LEVELS,
  scopes: ['openid', 'offline_access', 'profile'],
  claims: { sid: null, iss: null, openid: ['sub', 'acr', 'amr', 'auth_time'], profile: ['name', 'preferred_username', 'roles', 'organisation'] },
  findAccount: (_, sub) => config.users[sub] && { accountId: sub, claims: () => ({ sub, ...config.users[sub], password: undefined }) },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true, logoutSource: (ctx, form) => { ctx.body = `<!doctype html><title>Sign off</title>${form}<button form="op.logoutForm" name="logout" value="yes">Sign off</button>`; } },
  },
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'RS512', 'PS256', 'ES256'], idTokenSigningAlgValues: ['RS256', 'PS256', 'ES256'] },
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt'],
  interactions: { policy, url: (_, { uid }) => `/interaction/${uid}` },
  // Our own clients need no consent page: one grant for each session and client, else UserInfo forgets older tokens.
  loadExistingGrant: async ({ oidc }) => {
    const { Grant } = oidc.provider, id = oidc.session.grantIdFor(oidc.client.clientId);
    const grant = (id && await Grant.find(id)) || new Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
    grant.addOIDCScope('openid offline_access profile');
    await grant.save();
    return grant;
  },
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  cookies: { keys: ['for tests only'] },
  ttl: { AccessToken: 300, IdToken: 300, RefreshToken: 3600, Session: 3600, Interaction: 600, Grant: 3600 },
  // It refuses calls to this machine (back-channel log-out) by a dispatcher of its own.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
};

let provider, answer;
const server = http.createServer(async (request, response) => {
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  try {
    const { uid, params } = await provider.interactionDetails(request, response);
    if (request.url.endsWith('/cancel')) return await provider.interactionFinished(request, response, { error: 'access_denied' });
    let message = '';
    if (request.method === 'POST') {
      let body = '';
      for await (const chunk of request) body += chunk;
      const { login, password, otp, proved_ago } = Object.fromEntries(new URLSearchParams(body));
      if (config.users[login]?.password === password) {
        const acr = { '000000': FACTORS, 333333: CARD }[otp] ?? PASSWORD;
        return await provider.interactionFinished(request, response, { login: { accountId: login, acr, amr: METHODS[acr], remember: true, ts: Math.floor(Date.now() / 1000) - Number(proved_ago ?? 0) } });
      }
      message = 'Wrong name or password';
    }
    const hint = String(params.login_hint ?? '').replace(/[^\w.-]/g, '');
    response.writeHead(message ? 401 : 200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(`<!doctype html><title>Sign on</title><p role="alert">${message}</p><form method="post" action="/interaction/${uid}">
<label>Name <input name="login" value="${hint}"></label><label>Password <input name="password" type="password"></label>
<label>Code <input name="otp"></label><button>Sign on</button></form>
<a href="/interaction/${uid}/cancel">Cancel</a>`);
  } catch (error) {
    response.writeHead(400).end(String(error));
  }
});
server.listen(0, config.host ?? '127.0.0.1', () => {
  const { port } = server.address();
  const issuer = (config.origin ?? 'http://127.0.0.1:{port}').replace('{port}', port);
  provider = new Provider(issuer, settings);
  answer = provider.callback();
  console.log(`ready ${issuer}`);
});
