import { Empty, Page } from '../../parts/page.tsx';

export default function Welcome() {
    return (
        <Page title="Welcome">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
