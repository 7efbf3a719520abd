import { Empty, Page } from '../../parts/page.tsx';

export default function Run() {
    return (
        <Page title="Run">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
