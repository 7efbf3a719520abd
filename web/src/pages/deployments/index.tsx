import { Empty, Page } from '../../parts/page.tsx';

export default function Deployments() {
    return (
        <Page title="Deployments">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
