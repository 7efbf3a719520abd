import { actionsRoutes } from './actions.ts';
import { appRoutes } from './app.ts';
import { checkRoutes } from './checks.ts';
import { oauthRoutes } from './oauth.ts';
import { pullRoutes } from './pulls.ts';
import { repoRoutes } from './repos.ts';
import type { Route } from '../router.ts';

/** The whole REST surface. */
export const routes: Route[] = [
    ...actionsRoutes,
    ...checkRoutes,
    ...oauthRoutes,
    ...pullRoutes,
    ...repoRoutes,
    ...appRoutes,
];
